//! From a plan to a running experiment: the one way in for cli, web and cluster.
