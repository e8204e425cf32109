"""A publication as its file declares it: the file, its checks, its colours, when it comes out, its subject lines."""
