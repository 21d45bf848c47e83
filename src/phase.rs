//! The phases of a request as a gateway counts them.
//!
//! `ngx.ctx.KONG_PHASE` holds one bit. These bits are not nginx's own (see
//! [`ServerPhase`](crate::host::ServerPhase)): access is 0x20 here and 0x4 there.

use std::fmt;

/// Every phase, in ascending bit order: its bit and its name.
pub const PHASES: [(u32, &str); 14] = [
    (0x1, "init_worker"),
    (0x2, "certificate"),
    (0x8, "client_hello"),
    (0x10, "rewrite"),
    (0x20, "access"),
    (0x40, "balancer"),
    (RESPONSE, "response"),
    (0x100, "cluster_listener"),
    (HEADER_FILTER, "header_filter"),
    (0x400, "body_filter"),
    (LOG, "log"),
    (0x4000, "preread"),
    (0x0100_0000, "error"),
    (ADMIN_API, "admin_api"),
];

/// The bit of response.
pub const RESPONSE: u32 = 0x80;
/// The bit of header_filter.
pub const HEADER_FILTER: u32 = 0x200;
/// The bit of log.
pub const LOG: u32 = 0x2000;
/// The bit of admin_api, which also stands for nginx's content phase where no phase was set.
pub const ADMIN_API: u32 = 0x1000_0000;

/// Where the head of a response can be read: response, header_filter, body_filter, log, error,
/// admin_api.
pub const READ: PhaseSet =
    PhaseSet(RESPONSE | HEADER_FILTER | 0x400 | LOG | 0x0100_0000 | ADMIN_API);
/// Where the head can be written: rewrite, access, balancer, response, header_filter, error,
/// admin_api.
pub const WRITE: PhaseSet =
    PhaseSet(0x10 | 0x20 | 0x40 | RESPONSE | HEADER_FILTER | 0x0100_0000 | ADMIN_API);
/// Where the body passes: body_filter.
pub const BODY: PhaseSet = PhaseSet(0x400);

/// The bits of `phase`, as LuaJIT's `bit.band` takes them: rounded to a whole number, modulo 2^32.
pub fn bits_of(phase: f64) -> u32 {
    // Adding 2^52 + 2^51 leaves the whole number in the low bits of the fraction.
    (phase + 6_755_399_441_055_744.0).to_bits() as u32
}

/// A set of phases. Displays as the names, in ascending bit order, with `", "` between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhaseSet(u32);

impl PhaseSet {
    /// The name of one phase's bit; `'unknown phase'`, with the quotes, for anything else.
    pub fn name_of(bit: u32) -> &'static str {
        PHASES.iter().find(|(known, _)| *known == bit).map_or("'unknown phase'", |(_, name)| name)
    }

    /// Whether one of these phases is among the bits of `phase`.
    pub fn contains(self, phase: u32) -> bool {
        self.0 & phase != 0
    }

    /// The bits of the phases.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl fmt::Display for PhaseSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (bit, name) in PHASES {
            if self.0 & bit != 0 {
                if !first {
                    f.write_str(", ")?;
                }
                f.write_str(name)?;
                first = false;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_has_a_name() {
        for (bit, name) in PHASES {
            assert_eq!(PhaseSet::name_of(bit), name);
            assert_eq!(PhaseSet(bit).to_string(), name);
        }
    }

    #[test]
    fn numbers_have_the_bits_that_luajit_sees() {
        for (phase, bits) in [
            (0.0, 0),
            (512.0, 512),
            (512.5, 512),
            (513.5, 514),
            (-1.0, u32::MAX),
            (4_294_967_295.0, u32::MAX),
            (1_099_511_628_288.0, 512),
            (f64::NAN, 0),
        ] {
            assert_eq!(bits_of(phase), bits, "{phase}");
        }
    }
}
