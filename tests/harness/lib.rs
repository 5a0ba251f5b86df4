//! Starts victims, talks to manholes, compares stacks.
