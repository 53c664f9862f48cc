//! Base images assembled from signed packages, where no vendor's image is at hand or wanted.

pub mod debian;
