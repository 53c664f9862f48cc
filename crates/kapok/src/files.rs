//! Files of the user's that commands write: whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::failure::Failure;

/// Writes a file beside its place and renames it. What is there and is no plain file, such as `/dev/stdout` or a named
/// pipe, is written as it is.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let failed = || Failure::file("write", path);
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let mut out = BufWriter::new(File::options().write(true).open(path).map_err(failed())?);
        write(&mut out)?;
        return out.flush().map_err(failed());
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // A temporary file is its owner's alone; a result is as readable as the umask lets the user's other files be.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    let file = tempfile::Builder::new()
        .prefix(".kapok-")
        .permissions(readable)
        .tempfile_in(directory)
        .map_err(failed())?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    write(&mut out)?;
    let file = out.into_inner().map_err(|error| failed()(error.into_error()))?;
    file.persist(path).map_err(|error| failed()(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("out");
        std::fs::write(&path, "old").expect("it is written");
        let failed = replace(&path, |out| {
            out.write_all(b"new").map_err(Failure::Output)?;
            Err(Failure::Interrupted)
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).expect("it is read"), b"old");
        replace(&path, |out| out.write_all(b"new").map_err(Failure::Output)).expect("it is replaced");
        assert_eq!(std::fs::read(&path).expect("it is read"), b"new");
        let left = std::fs::read_dir(directory.path()).expect("it is listed").count();
        assert_eq!(left, 1);
    }
}
