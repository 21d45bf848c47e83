//! The phase check, with which every function starts.

use crate::error::Error;
use crate::phase::{ADMIN_API, PhaseSet};

/// Checks that the current phase is one of `allowed`.
///
/// `current` has the bits of `ngx.ctx.KONG_PHASE`. If that is nil, it is `None`, and `in_content` returns whether
/// nginx is in its content phase, which then counts as admin_api.
///
/// # Errors
///
/// - `no phase in ngx.ctx.KONG_PHASE, (need one of <names>)`
/// - `function cannot be called in <name> phase (only in: <names>)`
pub fn check(
    allowed: PhaseSet,
    current: Option<u32>,
    in_content: impl FnOnce() -> bool,
) -> Result<(), Error> {
    let current = match current {
        Some(bits) => bits,
        None if in_content() => ADMIN_API,
        None => return Err(Error::NoPhase(allowed)),
    };
    if allowed.contains(current) { Ok(()) } else { Err(Error::WrongPhase { current, allowed }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase::{BODY, PHASES, READ, WRITE};

    #[test]
    fn a_phase_is_allowed_if_its_bit_is_in_the_set() {
        for (bit, name) in PHASES {
            for set in [READ, WRITE, BODY] {
                let named = set.to_string().split(", ").any(|one| one == name);
                assert_eq!(check(set, Some(bit), || false).is_ok(), named, "{name} in {set}");
            }
        }
    }

    #[test]
    fn without_a_phase_nginxs_content_phase_counts_as_admin_api() {
        assert_eq!(check(READ, None, || true), Ok(()));
        assert_eq!(check(READ, None, || false), Err(Error::NoPhase(READ)));
        let refused = Error::WrongPhase { current: ADMIN_API, allowed: BODY };
        assert_eq!(check(BODY, None, || true), Err(refused));
    }
}
