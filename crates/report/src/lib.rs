//! Shows results: console, CSV, JSON, and the files of other tools.
