use std::ffi::{c_char, c_int};

use super::*;
use crate::host::nginx::Api;

/// A Rust type with its C declaration.
trait CType {
    const NAME: &'static str;
}

macro_rules! c_types {
    ($($rust:ty = $name:literal;)*) => {
        $(impl CType for $rust {
            const NAME: &'static str = $name;
        })*
    };
}

c_types! {
    bool = "bool";
    c_int = "int";
    usize = "size_t";
    *mut lua_State = "void *";
    *mut NgxRequest = "void *";
    *mut c_int = "int *";
    *mut usize = "size_t *";
    *const usize = "const size_t *";
    *const u8 = "const char *";
    *mut *const u8 = "const char **";
    *const *const u8 = "const char *const *";
    *mut *mut c_char = "char **";
}

/// The type of a C function in Rust.
trait Signature {
    fn declaration(name: &str) -> String;
}

macro_rules! signatures {
    ($(($($argument:ident)*))*) => {
        $(impl<R: CType, $($argument: CType),*> Signature
            for unsafe extern "C" fn($($argument),*) -> R
        {
            fn declaration(name: &str) -> String {
                format!("{} {name}({})", R::NAME, [$($argument::NAME),*].join(", "))
            }
        })*
    };
}

signatures! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) }

fn of<F: Signature>(_: F, name: &str) -> String {
    F::declaration(name)
}

fn of_nginx<F: Signature>(_: fn(&Api) -> F, name: &str) -> String {
    F::declaration(name)
}

/// The declarations in [`DECLARATIONS`], without the names of parameters.
fn declared() -> Vec<String> {
    let text = DECLARATIONS.split_whitespace().collect::<Vec<_>>().join(" ");
    let without_name = |parameter: &str| {
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        parameter.trim_end_matches(is_of_name).trim_end().to_owned()
    };
    let of_one = |one: &str| {
        let one = one.split(" __asm__").next().unwrap().trim();
        let (head, parameters) = one.strip_suffix(')')?.split_once('(')?;
        let parameters: Vec<String> = parameters.split(", ").map(without_name).collect();
        Some(format!("{head}({})", parameters.join(", ")))
    };
    text.split(';').filter_map(of_one).collect()
}

#[test]
fn the_declarations_for_luajit_are_those_of_rust() {
    use crate::lua::ffi as ours;
    let expected = [
        of(ours::kong_response_runs as unsafe extern "C" fn(_) -> _, "kong_response_runs"),
        of(
            ours::kong_response_get_header as unsafe extern "C" fn(_, _, _, _, _) -> _,
            "kong_response_get_header",
        ),
        of(
            ours::kong_response_write_header as unsafe extern "C" fn(_, _, _, _, _, _) -> _,
            "kong_response_write_header",
        ),
        of(
            ours::kong_response_clear_header as unsafe extern "C" fn(_, _, _) -> _,
            "kong_response_clear_header",
        ),
        of(
            ours::kong_response_set_headers as unsafe extern "C" fn(_, _, _, _, _, _) -> _,
            "kong_response_set_headers",
        ),
        of_nginx(|api| api.get_ctx_ref, "kong_response_ngx_ctx"),
        of_nginx(|api| api.get_resp_status, "kong_response_ngx_status"),
        of_nginx(|api| api.set_resp_status, "kong_response_ngx_set_status"),
        of_nginx(|api| api.headers_sent, "kong_response_ngx_headers_sent"),
    ];
    assert_eq!(declared(), expected);
}
