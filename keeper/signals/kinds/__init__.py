"""The kinds of signals as declarations, a file for each family. Importing them costs nothing; the compiled steps are beside this folder."""
