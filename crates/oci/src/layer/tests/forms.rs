//! A layer says the same in all its forms.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::super::tar_write::Header;
use super::super::*;
use super::{Archive, is_root, plain};
use crate::tree::{Kind, PathIndex, View};
use crate::{DiffId, Digest};

/// Content of the files that `tree::tests::layer` makes.
fn content_of(digest: &Digest) -> &'static str {
    ["", "1", "22"].into_iter().find(|content| Digest::of(content.as_bytes()) == *digest).unwrap()
}

/// The archive that says what the index says, written without a directory.
fn archive_of(index: &PathIndex) -> Vec<u8> {
    let mut archive = Archive::default();
    for entry in index.iter().skip(1) {
        let text = String::from_utf8(entry.path.clone()).unwrap();
        let (type_flag, link, content) = match &entry.kind {
            Kind::File { digest } => (b'0', "".to_owned(), content_of(digest)),
            Kind::Directory { .. } => (b'5', "".to_owned(), ""),
            Kind::Symlink { target } => (b'2', String::from_utf8(target.clone()).unwrap(), ""),
            Kind::Hardlink { to } => (b'1', String::from_utf8(to.clone()).unwrap(), ""),
            Kind::Whiteout => {
                let (parent, name) = text.rsplit_once('/').unwrap_or(("", &text));
                archive = archive.file(&format!("{parent}/.wh.{name}"), "");
                continue;
            }
            _ => unreachable!(),
        };
        let header = Header {
            name: text.as_bytes(),
            type_flag,
            link: link.as_bytes(),
            mode: entry.mode,
            mtime: entry.mtime,
            size: content.len() as u64,
            ..plain("", b'0')
        };
        archive.put(&header, content.as_bytes());
        if entry.kind == (Kind::Directory { opaque: true }) {
            archive = archive.file(&format!("{text}/.wh..wh..opq"), "");
        }
    }
    archive.end()
}

proptest! {
    // Nothing is written beside the code: a failure prints its input.
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_layer_survives_all_its_forms(layer in crate::tree::tests::layer(), seed in any::<u64>()) {
        if is_root() {
            let directory = tempfile::tempdir().unwrap();
            let form = if seed % 2 == 0 { OverlayForm::Trusted } else { OverlayForm::User };
            let limits = UnpackLimits::default();
            let index = unpack_tar(&archive_of(&layer)[..], directory.path(), form, &limits).unwrap();
            prop_assert_eq!(&index, &layer);
            prop_assert_eq!(&index_directory(directory.path(), form, 3).unwrap(), &layer);
            let mut tar = Vec::new();
            write_tar(directory.path(), &index, &mut tar).unwrap();
            let again = tempfile::tempdir().unwrap();
            prop_assert_eq!(&unpack_tar(&tar[..], again.path(), form, &limits).unwrap(), &layer);
            // Normalising a normalised layer touches at most whiteouts that an opaque directory makes useless.
            let done = normalise(again.path(), &Rules::default(), i64::MAX, form, &|_| true).unwrap();
            prop_assert!(done.is_empty());
            let normal = index_directory(again.path(), form, 1).unwrap();
            let shown = |index| View::new(vec![std::sync::Arc::new(index)]).walk(b"").collect::<Vec<_>>();
            prop_assert_eq!(shown(normal), shown(index));
        }
    }
}

fn gzip(stop: &AtomicBool) -> Packing<'_> {
    Packing { compression: Compression::Gzip, level: None, threads: 4, stop }
}

/// Says stop when the first bytes have come out.
struct StopAtFirst<'a>(&'a AtomicBool, usize);

impl Write for StopAtFirst<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.store(true, Ordering::Relaxed);
        self.1 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_layer_that_nobody_wants_any_more_is_not_packed_to_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let size: u64 = 4 << 20;
    std::fs::File::create(directory.path().join("large")).unwrap().set_len(size).unwrap();
    let index = index_directory(directory.path(), OverlayForm::User, 1).unwrap();
    let stop = AtomicBool::new(false);
    let mut out = StopAtFirst(&stop, 0);
    let plain = Packing { compression: Compression::None, ..gzip(&stop) };
    let packed = pack_layer(directory.path(), &index, &plain, &mut out);
    assert!(matches!(packed, Err(TreeError::Stopped)), "{packed:?}");
    assert!(out.1 < 1 << 20, "{} bytes were written", out.1);
}

#[test]
fn an_empty_layer_is_dockers_empty_layer() {
    let directory = tempfile::tempdir().unwrap();
    let mut blob = Vec::new();
    let index = PathIndex::empty();
    let packed = pack_layer(directory.path(), &index, &gzip(&AtomicBool::new(false)), &mut blob).unwrap();
    assert_eq!(packed.diff_id, empty_diff_id());
    assert_eq!((packed.digest, packed.size), (Digest::of(&blob), blob.len() as u64));
    let mut tar = Vec::new();
    Decompressor::new(&blob[..]).unwrap().read_to_end(&mut tar).unwrap();
    assert_eq!(DiffId(Digest::of(&tar)), packed.diff_id);
}
