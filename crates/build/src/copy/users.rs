//! Users and groups by name, as an image's `/etc/passwd` and `/etc/group` have them.
