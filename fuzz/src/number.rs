//! Numbers in JSON have the same bytes as those of C's `%.16g`.

use kong_response::response::json::write_number;

/// Every eight bytes of the input are a double.
pub fn check(bytes: &[u8]) {
    for eight in bytes.as_chunks::<8>().0 {
        let value = f64::from_le_bytes(*eight);
        let mut out = b"before".to_vec();
        if write_number(&mut out, value).is_err() {
            assert!(!value.is_finite(), "{value:e} is finite");
            assert_eq!(out, b"before");
            continue;
        }
        assert!(value.is_finite(), "{value:e} was written");
        let expected = printed(value);
        assert!(
            out[6..] == *expected.as_bytes(),
            "{:#018x} is {expected}, not {}",
            value.to_bits(),
            String::from_utf8_lossy(&out[6..])
        );
    }
}

/// The text of the C library for `value`.
#[allow(unsafe_code)]
fn printed(value: f64) -> String {
    let mut room = [0_u8; 64];
    // SAFETY: the pointer and the size are those of one buffer, the format is a C string, and its
    // only conversion takes the only argument, a double.
    let length =
        unsafe { libc::snprintf(room.as_mut_ptr().cast(), room.len(), c"%.16g".as_ptr(), value) };
    let length = usize::try_from(length).expect("snprintf reports no error");
    String::from_utf8_lossy(&room[..length]).into_owned()
}
