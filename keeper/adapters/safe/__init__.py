"""Where the owners of a Safe leave what they sign: Safe's Transaction Service, files, memory."""
