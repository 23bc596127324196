//! Every word that is said to people.
