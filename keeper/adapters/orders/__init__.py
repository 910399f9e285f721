"""Where keepers leave what several of them must sign: a shared database, a folder, memory."""
