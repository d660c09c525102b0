"""The sentences that tell a model how to write its edits."""

SEARCH_REPLACE = """\
Answer with edits of this form, as many as are needed, each beneath the path of its file:

path/of/file.py
<<<<<<< SEARCH
the lines to replace, copied exactly from the file, with enough of them that they stand there only once
=======
the lines to put there instead
>>>>>>> REPLACE

An empty SEARCH part makes a new file. To delete a file, write the line DELETE FILE: path/of/file.py"""

UNIFIED_DIFF = """\
Answer with one unified diff of all changes, in a single ```diff code block:

```diff
--- a/path/of/file.py
+++ b/path/of/file.py
@@ -10,3 +10,3 @@
 a line of context, copied exactly from the file
-a line to remove
+a line to add
 another line of context
```

Use /dev/null as the old name of a new file, and as the new name of a deleted one."""

WHOLE_FILE = """\
Answer with every file that you change, whole, in a code block beneath its path:

path/of/file.py
```
the complete new text of the file, with nothing left out
```

To delete a file, write the line DELETE FILE: path/of/file.py"""

EDIT_FORMS = {"search_replace": SEARCH_REPLACE, "unified_diff": UNIFIED_DIFF, "whole_file": WHOLE_FILE}
