//! From root of the sandbox to the command's user, with no more rights than Docker's default.

use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};

use super::error::Doing;
use super::{Ids, SandboxError, Security};

/// Docker's default capabilities.
const DEFAULT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::AUDIT_WRITE);

/// The highest number a kernel can use in two 32-bit words.
const MOST: u32 = 63;

/// Gives up every right that the command shall not have and becomes its user.
pub(super) fn become_user(user: &Ids, security: Security) -> Result<(), SandboxError> {
    let known = rustix::thread::capabilities(None).doing("read the capabilities")?.permitted;
    let allowed = match security {
        Security::Sandbox => DEFAULT,
        Security::Insecure => known,
    };
    for number in 0..=MOST {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        if !allowed.contains(capability) && known.contains(capability) {
            rustix::thread::remove_capability_from_bounding_set(capability).doing("drop capabilities")?;
        }
    }
    // The user's own group is among the supplementary ones, as other engines have it.
    let groups = std::iter::once(user.gid).chain(user.groups.iter().copied());
    let groups: Vec<Gid> = groups.map(Gid::from_raw).collect();
    rustix::thread::set_thread_groups(&groups).doing("set the groups")?;
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    rustix::thread::set_thread_res_gid(gid, gid, gid).doing("set the group")?;
    // For any user but root this also drops what is effective and permitted.
    rustix::thread::set_thread_res_uid(uid, uid, uid).doing("set the user")?;
    let effective = if user.uid == 0 { allowed } else { CapabilitySet::empty() };
    let sets = CapabilitySets { effective, permitted: effective, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).doing("drop capabilities")
}
