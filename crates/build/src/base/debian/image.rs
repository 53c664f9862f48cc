//! From the base's layer to an image.

use super::{Assembled, Request};
use oci::config::{Execution, History};
use oci::descriptor::media_type;
use oci::layer::Compression;
use oci::store::{Store, StoreError};
use oci::{Descriptor, Digest, ImageConfig, Manifest, Raw};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What a shell needs; the same as in Debian's own images.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Writes the manifest and configuration of a base into the store. The manifest's digest is to be tagged.
pub fn store_image(
    assembled: &Assembled,
    store: &Store,
    compression: Compression,
    threads: usize,
) -> Result<Digest, StoreError> {
    let blob = store.pack_layer(&assembled.layer, compression, None, threads)?;
    let mut config = assembled.config.clone();
    config.rootfs.diff_ids = vec![blob.diff_id];
    let config = Raw::write(config);
    store.put_blob(config.bytes())?;
    let manifest = Raw::write(Manifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: Descriptor::of(media_type::OCI_CONFIG, config.bytes()),
        layers: vec![blob.descriptor],
        subject: None,
        annotations: BTreeMap::new(),
    });
    store.put_blob(manifest.bytes())
}

/// The configuration, without diff ids.
pub fn config(request: &Request, epoch: i64) -> ImageConfig {
    let created = Some(oci::time::format_rfc3339(epoch));
    ImageConfig {
        created: created.clone(),
        config: Execution {
            env: vec![PATH.to_owned()],
            cmd: Some(vec!["bash".to_owned()]),
            ..Execution::default()
        },
        history: vec![History { created, created_by: Some(request.command.clone()), ..History::default() }],
        ..ImageConfig::for_platform(&request.platform)
    }
}

/// Removes what says when and where this was done and is of no use to the image: mmdebstrap does likewise. Normalising
/// does the rest.
pub fn remove_traces(root: &Path) {
    const TRACES: [&str; 12] = [
        "var/cache/debconf/config.dat-old",
        "var/cache/debconf/templates.dat-old",
        "var/cache/ldconfig/aux-cache",
        "var/lib/dpkg/available-old",
        "var/lib/dpkg/diversions-old",
        "var/lib/dpkg/lock",
        "var/lib/dpkg/lock-frontend",
        "var/lib/dpkg/status-old",
        "var/lib/dpkg/statoverride-old",
        "var/log/alternatives.log",
        "var/log/bootstrap.log",
        "var/log/dpkg.log",
    ];
    for path in TRACES {
        // What is not there needs no removing.
        let _ = fs::remove_file(root.join(path));
    }
}
