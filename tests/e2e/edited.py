"""A small folder with three planted bugs, each an instance whose answer is an edit."""
# ruff: noqa: E501  tests as texts

import json

STOCK = '''"""What is in the store."""


class Stock:
    def __init__(self):
        self.counts = {}

    def add(self, name, count):
        self.counts[name] = count

    def take(self, name, count):
        if count > self.counts.get(name, 0):
            raise ValueError(f"not enough of {name}")
        self.counts[name] -= count
'''
PRICES = '''"""What things cost, in cents."""

DISCOUNT_FROM = 10


def total(price, count):
    """Ten percent off from ten pieces on."""
    whole = price * count
    if count > DISCOUNT_FROM:
        return whole * 90 // 100
    return whole
'''
NAMES = '''"""How names are shown."""


def initials(name):
    """The first letters of all words, in capitals: 'ada lovelace' is 'AL'."""
    return "".join(word[0] for word in name.split(" ")).upper()
'''
FILES = {"stock.py": STOCK, "prices.py": PRICES, "names.py": NAMES}
# id: what is asked, the tests, the line with the bug, what mends it, what does not
BUGS = {
    "stock": (
        "After add('nut', 3) and add('nut', 4) there are 4 nuts in stock, and not 7. Mend Stock.add in stock.py.",
        (
            "from stock import Stock\n\n\ndef test_counts_add_up():\n    stock = Stock()\n    stock.add('nut', 3)\n"
            "    stock.add('nut', 4)\n    assert stock.counts == {'nut': 7}\n\n\ndef test_taking():\n    stock = Stock()\n"
            "    stock.add('nut', 3)\n    stock.take('nut', 1)\n    assert stock.counts['nut'] == 2\n"
        ),
        "        self.counts[name] = count\n",
        "        self.counts[name] = self.counts.get(name, 0) + count\n",
        "        self.counts[name] += count\n",
    ),
    "prices": (
        "Ten pieces should get the discount, but total(100, 10) in prices.py is 1000, and not 900. Mend it.",
        (
            "from prices import total\n\n\ndef test_ten():\n    assert total(100, 10) == 900\n\n\ndef test_nine():\n"
            "    assert total(100, 9) == 900\n\n\ndef test_eleven():\n    assert total(100, 11) == 990\n"
        ),
        "    if count > DISCOUNT_FROM:\n",
        "    if count >= DISCOUNT_FROM:\n",
        "    if count == DISCOUNT_FROM:\n",
    ),
    "names": (
        "initials('ada  lovelace'), with two blanks, raises IndexError. Mend it in names.py.",
        (
            "from names import initials\n\n\ndef test_two_blanks():\n    assert initials('ada  lovelace ') == 'AL'\n\n\n"
            "def test_one_blank():\n    assert initials('ada lovelace') == 'AL'\n"
        ),
        '    return "".join(word[0] for word in name.split(" ")).upper()\n',
        '    return "".join(word[0] for word in name.split()).upper()\n',
        '    return "".join(word[0] for word in name.split("  ")).upper()\n',
    ),
}


def rows(answer):
    """The instances, one a line of a dataset."""
    for name, (prompt, code, bug, mended, wrong) in BUGS.items():
        file = f"{name}.py"
        made = [{file: FILES[file].replace(bug, line)} for line in (mended, wrong)]
        yield {
            "id": name,
            "prompt": prompt,
            "tags": ["edit"],
            "answer": answer,
            "files": {file: FILES[file], **FILES},
            "tests": {"kind": "pytest", "code": code},
            "good": made[:1],
            "bad": made[1:],
        }


def dataset(answer):
    """All lines."""
    return "".join(json.dumps(row) + "\n" for row in rows(answer))
