//! Extended attributes of an open file.

use std::io;
use std::os::fd::AsFd;

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

/// The kernel's own bound on a list of names, and on a value. (XATTR_LIST_MAX, XATTR_SIZE_MAX)
const KERNEL_LIMIT: usize = 65_536;

/// The names of all attributes. A file system without attributes has none.
pub(crate) fn names(file: impl AsFd) -> io::Result<Vec<Vec<u8>>> {
    let mut small = [0u8; 512];
    let length = match flistxattr(&file, &mut small[..]) {
        Ok(length) => return Ok(split(&small[..length])),
        Err(Errno::RANGE) => KERNEL_LIMIT,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut large = vec![0u8; length];
    let length = flistxattr(&file, &mut large[..])?;
    Ok(split(&large[..length]))
}

fn split(list: &[u8]) -> Vec<Vec<u8>> {
    list.split(|b| *b == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
}

/// The value of one attribute; `None` if the file does not have it.
pub(crate) fn get(file: impl AsFd, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut small = [0u8; 512];
    match fgetxattr(&file, name, &mut small[..]) {
        Ok(length) => return Ok(Some(small[..length].to_vec())),
        Err(Errno::RANGE) => {}
        Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    let mut large = vec![0u8; KERNEL_LIMIT];
    let length = fgetxattr(&file, name, &mut large[..])?;
    large.truncate(length);
    Ok(Some(large))
}

/// Sets an attribute, whether or not it is there.
pub(crate) fn set(file: impl AsFd, name: &[u8], value: &[u8]) -> io::Result<()> {
    Ok(fsetxattr(file, name, value, XattrFlags::empty())?)
}

/// Removes an attribute that may be there.
pub(crate) fn remove(file: impl AsFd, name: &[u8]) -> io::Result<()> {
    match fremovexattr(file, name) {
        Ok(()) | Err(Errno::NODATA) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
