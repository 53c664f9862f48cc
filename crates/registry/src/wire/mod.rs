//! What both ends of the protocol write and read: errors, ranges, links, challenges.

pub(crate) mod challenge;
pub(crate) mod error;
pub(crate) mod link;
pub(crate) mod range;

/// Headers that the specification adds to HTTP's.
pub(crate) mod header {
    /// The digest of what was asked for or stored.
    pub const CONTENT_DIGEST: &str = "docker-content-digest";
    /// Which protocol a registry speaks.
    pub const API_VERSION: &str = "docker-distribution-api-version";
    /// The only protocol there is.
    pub const API_VERSION_VALUE: &str = "registry/2.0";
    /// Docker's name of an upload.
    pub const UPLOAD_UUID: &str = "docker-upload-uuid";
    /// Which filters a list of referrers went through.
    pub const FILTERS_APPLIED: &str = "oci-filters-applied";
    /// The subject that a registry understood.
    pub const SUBJECT: &str = "oci-subject";
    /// The tags that a manifest got.
    pub const TAG: &str = "oci-tag";
    /// The least that a chunk may have.
    pub const CHUNK_MIN_LENGTH: &str = "oci-chunk-min-length";
}
