"""`beatstream`: what an operator does with a running Beatstream: look at it, measure it, handle what it refused."""
