//! One bounded connection to a GitLab: login, time, size and retry limits. Shared by `facts` (read) and `effects` (write).
