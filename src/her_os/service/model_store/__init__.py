"""The models on this machine: what may be had (catalogue), what is here (store), and how it comes here, checked."""
