//! A GitLab double: state apart from its HTTP face.
