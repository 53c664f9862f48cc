//! Which address stands for which name.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard};

/// The network of which names get their addresses, 198.18.0.0/15: it is for measurements and nobody's. (RFC 2544)
const NETWORK: u32 = u32::from_be_bytes([198, 18, 0, 0]);

/// The first address that is given out: the network's own and the one of the step's interface are not.
const FIRST: u32 = 2;

/// Behind the last one: the end of the network belongs to the gateway's sockets.
const END: u32 = (2 << 16) - 512;

/// The names that a step has asked for.
pub(in crate::gateway) struct Names(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    numbers: HashMap<String, u32>,
    /// Each with whether something was sent to its address.
    names: Vec<(String, bool)>,
}

impl Names {
    pub(in crate::gateway) fn new() -> Names {
        Names(Mutex::default())
    }

    /// The address of a name, the same whenever it is asked for; none when there is no more.
    pub(in crate::gateway) fn address(&self, name: &str) -> Option<Ipv4Addr> {
        let mut inner = self.inner();
        let number = match inner.numbers.get(name) {
            Some(number) => *number,
            None => {
                let number = FIRST + u32::try_from(inner.names.len()).ok()?;
                if number >= END {
                    return None;
                }
                inner.names.push((name.to_owned(), false));
                inner.numbers.insert(name.to_owned(), number);
                number
            }
        };
        Some(Ipv4Addr::from(NETWORK + number))
    }

    /// The name that has an address, to which something is sent.
    pub(in crate::gateway) fn name(&self, address: IpAddr) -> Option<String> {
        let IpAddr::V4(address) = address else { return None };
        let number = u32::from(address).checked_sub(NETWORK + FIRST)?;
        let mut inner = self.inner();
        let (name, used) = inner.names.get_mut(usize::try_from(number).ok()?)?;
        *used = true;
        Some(name.clone())
    }

    /// Names to whose addresses nothing was sent, in the order in which they were asked for.
    pub(in crate::gateway) fn unused(&self) -> Vec<String> {
        let inner = self.inner();
        inner.names.iter().filter(|(_, used)| !used).map(|(name, _)| name.clone()).collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_end_before_those_of_the_gateway() {
        let names = Names::new();
        for number in FIRST..END {
            names.address(&number.to_string()).unwrap();
        }
        assert_eq!(names.address("one more"), None);
        let last = names.address(&(END - 1).to_string()).unwrap();
        assert_eq!(last.to_string(), "198.19.253.255");
        assert_eq!(names.name(IpAddr::V4(last)), Some((END - 1).to_string()));
    }
}
