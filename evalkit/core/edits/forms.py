"""The sentences that tell a model how to write its edits.

The example names a file of the instance: small models copy the example's path as it is. They also take up what is only
on offer, such as deleting the file; hence how to make and delete files is for the prompts of the tasks that need it.
"""

SEARCH_REPLACE = """\
Answer with edits of this form, as many as are needed, each beneath the path of its file:

{path}
<<<<<<< SEARCH
the lines to replace, copied exactly from the file, with enough of them that they stand there only once
=======
the lines to put there instead
>>>>>>> REPLACE"""

UNIFIED_DIFF = """\
Answer with one unified diff of all changes, in a single ```diff code block:

```diff
--- a/{path}
+++ b/{path}
@@ -10,3 +10,3 @@
 a line of context, copied exactly from the file
-a line to remove
+a line to add
 another line of context
```"""

WHOLE_FILE = """\
Answer with every file that you change, whole, in a code block beneath its path:

{path}
```
the complete new text of the file, with nothing left out
```"""

ANY = "path/of/file.py"
EDIT_FORMS = {"search_replace": SEARCH_REPLACE, "unified_diff": UNIFIED_DIFF, "whole_file": WHOLE_FILE}
