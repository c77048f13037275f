//! A simulated inference server that knows when it sent each token.
