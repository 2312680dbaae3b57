"""Its being here puts this folder on the path: `book_validator` is used by tests of all venues."""
