//! The headers of a gRPC response. gRPC clients read `grpc-status` and `grpc-message`, not the status of HTTP.

use http::StatusCode;

/// The first bytes of the Content-Type of every gRPC message.
pub const CONTENT_TYPE: &str = "application/grpc";

/// Whether a Content-Type is that of a gRPC message.
pub fn is_content_type(value: &[u8]) -> bool {
    value.get(..CONTENT_TYPE.len()).is_some_and(|s| s.eq_ignore_ascii_case(CONTENT_TYPE.as_bytes()))
}

/// Whether a Content-Type is that of gRPC-Web: `application/grpc-web` or `application/grpc-web-text`, also with a
/// suffix.
pub fn is_web_content_type(value: &[u8]) -> bool {
    const WEB: &str = "application/grpc-web";
    value.get(..WEB.len()).is_some_and(|s| s.eq_ignore_ascii_case(WEB.as_bytes()))
}

/// Encodes a message for `grpc-message`: percent-encodes `%` and all bytes outside 0x20 to 0x7E (gRPC over HTTP2,
/// "Responses").
pub fn encode_message(message: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(message.len());
    for &byte in message {
        match byte {
            b'%' | 0..0x20 | 0x7F.. => encoded.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            _ => encoded.push(byte),
        }
    }
    encoded
}

/// The names of gRPC's statuses, by number.
const NAMES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// The status of a gRPC call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(u8);

impl Status {
    /// The gRPC status that gateways send for a status of HTTP. (The mapping that gRPC clients use is another one.)
    pub fn of(http: StatusCode) -> Self {
        Self(match (http.as_u16(), http.as_u16() / 100) {
            (400, _) => 3,
            (401, _) => 16,
            (403, _) => 7,
            (404, _) => 5,
            (409, _) => 6,
            (429, _) => 8,
            (499, _) => 1,
            (501, _) => 12,
            (503, _) => 14,
            (504, _) => 4,
            (_, 5) => 13,
            (_, 4) => 3,
            (_, 2) => 0,
            _ => 2,
        })
    }

    /// The value of `grpc-status`.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The value of `grpc-message`, if there is no other message.
    pub fn name(self) -> &'static str {
        NAMES[usize::from(self.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_http_status_has_a_grpc_status() {
        let exact = [
            (200, 0),
            (400, 3),
            (401, 16),
            (403, 7),
            (404, 5),
            (409, 6),
            (429, 8),
            (499, 1),
            (500, 13),
            (501, 12),
            (503, 14),
            (504, 4),
        ];
        let of = |http| Status::of(StatusCode::from_u16(http).unwrap());
        for http in 100..=599 {
            let expected = exact.iter().find(|(status, _)| *status == http).map_or(
                match http / 100 {
                    5 => 13,
                    4 => 3,
                    2 => 0,
                    _ => 2,
                },
                |(_, grpc)| *grpc,
            );
            assert_eq!(of(http).number(), expected, "{http}");
        }
        assert_eq!(of(404).name(), "NotFound");
        assert_eq!(of(401).name(), "Unauthenticated");
        assert_eq!(of(302).name(), "Unknown");
    }

    #[test]
    fn messages_are_percent_encoded() {
        for (message, encoded) in [
            ("", ""),
            ("policy", "policy"),
            ("use %41", "use %2541"),
            ("50 %", "50 %25"),
            ("größe", "gr%C3%B6%C3%9Fe"),
            ("two\r\nlines\t~\x7f", "two%0D%0Alines%09~%7F"),
        ] {
            assert_eq!(encode_message(message.as_bytes()), encoded.as_bytes(), "{message}");
        }
        assert_eq!(encode_message(b"\xff\0"), b"%FF%00");
    }

    #[test]
    fn a_grpc_web_content_type_starts_with_application_grpc_web() {
        for web in ["application/grpc-web", "application/gRPC-Web-text+proto"] {
            assert!(is_web_content_type(web.as_bytes()), "{web}");
        }
        for other in ["application/grpc", "application/grpc+web", "application/grpc-we"] {
            assert!(!is_web_content_type(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_grpc_content_type_starts_with_application_grpc() {
        for grpc in ["application/grpc", "application/grpc+proto", "Application/gRPC; a=b"] {
            assert!(is_content_type(grpc.as_bytes()), "{grpc}");
        }
        for other in ["", "application/grp", "application/json", "text/application/grpc"] {
            assert!(!is_content_type(other.as_bytes()), "{other}");
        }
    }
}
