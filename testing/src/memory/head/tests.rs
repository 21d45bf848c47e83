use super::*;

fn written(steps: &[(&str, &str, Write)]) -> Vec<String> {
    let mut head = Head::default();
    for (name, value, write) in steps {
        head.write(name.as_bytes(), value.as_bytes(), *write).unwrap();
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let live = head.slots.iter().filter(|slot| slot.live);
    live.map(|slot| format!("{}: {}", text(&slot.name), text(&slot.value))).collect()
}

#[test]
fn single_headers_keep_their_place() {
    let steps = [
        ("Expires", "1", Write::Set),
        ("X-A", "1", Write::Set),
        ("Expires", "", Write::Set),
        ("expires", "2", Write::Add),
    ];
    assert_eq!(written(&steps), ["expires: 2", "X-A: 1"]);
    let steps = [("E-Tag", "1", Write::Set), ("ETag", "2", Write::Add)];
    assert_eq!(written(&steps), ["ETag: 2"]);
}

#[test]
fn a_location_that_is_a_path_has_no_pointer() {
    let steps = [("Location", "/a", Write::Set), ("Location", "/b", Write::Add)];
    assert_eq!(written(&steps), ["Location: /a", "Location: /b"]);
    let steps = [("Location", "/a", Write::Set), ("location", "http://b", Write::Set)];
    assert_eq!(written(&steps), ["Location: http://b"]);
    let steps = [
        ("Location", "/a", Write::Set),
        ("Location", "", Write::Set),
        ("location", "b", Write::Set),
    ];
    assert_eq!(written(&steps), ["location: b"]);
}

#[test]
fn other_headers_repeat_and_lose_their_place_when_removed() {
    let steps = [
        ("X-A", "1", Write::Set),
        ("X-A", "2", Write::Add),
        ("X-B", "3", Write::Set),
        ("x_a", "4", Write::Add),
    ];
    assert_eq!(written(&steps), ["X-A: 1", "X-A: 2", "X-B: 3", "x-a: 4"]);
    let steps = [
        ("X-A", "1", Write::Set),
        ("X-B", "3", Write::Set),
        ("X-A", "", Write::Set),
        ("X-A", "5", Write::Set),
    ];
    assert_eq!(written(&steps), ["X-B: 3", "X-A: 5"]);
}

#[test]
fn the_next_value_reuses_the_slot_of_a_removed_multi_header() {
    let steps = [
        ("Link", "1", Write::Set),
        ("Link", "2", Write::Add),
        ("X-A", "1", Write::Set),
        ("link", "", Write::Set),
        ("link", "3", Write::Add),
        ("link", "4", Write::Add),
    ];
    assert_eq!(written(&steps), ["Link: 3", "Link: 4", "X-A: 1"]);
}

#[test]
fn an_invalid_length_is_refused() {
    let mut head = Head::default();
    for bad in ["x", "-1", "+1", "1 ", "9223372036854775808"] {
        let refused = head.write(b"content_length", bad.as_bytes(), Write::Set);
        assert_eq!(refused, Err(Refused), "{bad}");
    }
    head.write(b"Content-Length", b"0012", Write::Set).unwrap();
    assert_eq!(head.content_length, Some(12));
    assert_eq!(head.read(b"Content-Length"), [b"0012"]);
}

#[test]
fn a_type_without_parameters_gets_the_charset_of_the_upstream() {
    let mut head = Head::default();
    head.copy_from_upstream(b"content-type", b"text/html; charset=\"utf-8\"");
    assert_eq!(head.content_type_sent().as_deref(), Some(&b"text/html; charset=\"utf-8\""[..]));
    head.write(b"Content-Type", b"application/json", Write::Set).unwrap();
    assert_eq!(head.content_type_sent().as_deref(), Some(&b"application/json; charset=utf-8"[..]));
    assert_eq!(head.read(b"Content-Type"), [b"application/json"]);
}
