//! Lua's stack: reading values without running Lua code, and running what may raise. [`crate::lua`] says what
//! the items of the contracts mean.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::ptr::NonNull;

use mlua::ffi::{self, lua_State};

/// The upvalues that every function of an instance has.
pub mod upvalue {
    use std::ffi::c_int;

    /// The VM's `ngx`.
    pub const NGX: c_int = 1;
    /// The array of what is `Slot`.
    pub const SLOTS: c_int = 2;
    /// The C function `invoke`.
    pub const INVOKE: c_int = 3;
    /// What the server needs to find its request; nil for nginx.
    pub const SERVER: c_int = 4;
    /// How many there are.
    pub const COUNT: c_int = 4;
}

macro_rules! slots {
    (
        services { $($(#[$about:meta])* $service:ident = $field:literal,)* }
        strings { $($string:ident = $text:literal,)* }
    ) => {
        /// What an instance keeps in an array: the services that Lua gives it, and the strings that calls
        /// need, so that none has to be interned again.
        #[derive(Debug, Clone, Copy)]
        pub enum Slot {
            $($(#[$about])* $service,)*
            $(#[doc = concat!("The string `", $text, "`.")] $string,)*
            /// The VM's main thread as light userdata, once it is known: it lives as long as the VM.
            MainThread,
        }

        /// The services, and the fields of the table in which Lua gives them.
        pub const SERVICES: &[(Slot, &CStr)] = &[$((Slot::$service, $field),)*];
        /// The strings.
        pub const STRINGS: &[(Slot, &str)] = &[$((Slot::$string, $text),)*];
    };
}

slots! {
    services {
        /// `function(level, message)`: the user's log, if there is one.
        Log = c"log",
        /// `function() -> string|nil`: the user's id of the request, if there is such a function.
        RequestId = c"request_id",
        /// `function() -> string|nil|false`: the gateway's; false where there is no gateway.
        GatewayRequestId = c"gateway_request_id",
        /// `function() -> number`: the HTTP version of the request.
        HttpVersion = c"http_version",
        /// `function(name, synthesised) -> string|nil`: a header, from nginx's list.
        ListedHeader = c"listed_header",
        /// `function(max|nil) -> table, err`: all headers.
        AllHeaders = c"all_headers",
        /// A table, if there are any: the paths of custom templates, by the document's name.
        Templates = c"error_templates",
        /// What `ctx.delayed_response_callback` becomes.
        Flush = c"flush",
        /// Lua's `tostring`.
        ToString = c"tostring",
        /// The sentinels of JSON.
        EmptyArray = c"empty_array",
        ArrayMt = c"array_mt",
        EmptyArrayMt = c"empty_array_mt",
        /// `function(table) -> number`: OpenResty's `table.nkeys`; not every LuaJIT has it.
        NumberOfKeys = c"nkeys",
        /// A number, if there is one: the largest body that is buffered, in bytes.
        MaxBodySize = c"max_body_size",
        /// A boolean: whether warnings are logged.
        Warnings = c"warnings",
        /// A boolean: whether a body filter that empties the chunk first and then ends the body ends the
        /// response.
        KeepsEmptyBody = c"keeps_empty_body",
    }
    strings {
        Len = "__len",
        Index = "__index",
        Kong = "kong",
        Ctx = "ctx",
        CtxTables = "ngx_lua_ctx_tables",
        Phase = "KONG_PHASE",
        Unexpected = "KONG_UNEXPECTED",
        Exited = "KONG_EXITED",
        Proxied = "KONG_PROXIED",
        DelayResponse = "delay_response",
        DelayedResponse = "delayed_response",
        DelayedResponseCallback = "delayed_response_callback",
        StatusCode = "status_code",
        Content = "content",
        Headers = "headers",
        ResponseBody = "response_body",
        LifecycleKeepsEmptyBody = "KONG_RESPONSE_KEEPS_EMPTY_BODY",
        DecidedRequestId = "KONG_RESPONSE_REQUEST_ID",
        Message = "message",
    }
}

impl Slot {
    /// Its place in the array.
    pub fn index(self) -> c_int {
        self as c_int + 1
    }
}

/// The bytes of the string at `index`, without converting a number.
///
/// # Safety
///
/// Running; `index` is valid, and the string is reachable for `'a`. Guarded.
pub unsafe fn string<'a>(state: *mut lua_State, index: c_int) -> Option<&'a [u8]> {
    // SAFETY: lua_tolstring does not allocate for a string, and points to its bytes, which stay while it is
    // reachable.
    unsafe {
        if ffi::lua_type(state, index) != ffi::LUA_TSTRING {
            return None;
        }
        let mut length = 0;
        let data = ffi::lua_tolstring(state, index, &mut length);
        Some(std::slice::from_raw_parts(data.cast(), length))
    }
}

/// The name of the type of the value at `index`; `nil` where there is none.
///
/// # Safety
///
/// Running; `index` is acceptable. Guarded.
pub unsafe fn type_name(state: *mut lua_State, index: c_int) -> &'static str {
    // SAFETY: running. lua_typename points to static C strings of ASCII.
    unsafe {
        let kind = ffi::lua_type(state, index);
        if kind == ffi::LUA_TNONE {
            return "nil";
        }
        std::ffi::CStr::from_ptr(ffi::lua_typename(state, kind)).to_str().unwrap_or("?")
    }
}

/// Pushes a string. It may raise for want of memory.
///
/// # Safety
///
/// Running, slots. It raises.
pub unsafe fn push_bytes(state: *mut lua_State, bytes: &[u8]) {
    // SAFETY: running, and the caller has seen to the slot and to what unwinding would drop. Lua copies the bytes.
    unsafe { ffi::lua_pushlstring(state, bytes.as_ptr().cast(), bytes.len()) };
}

/// Pushes what the instance keeps in this slot.
///
/// # Safety
///
/// Running, bound, slots. Guarded.
pub unsafe fn push_slot(state: *mut lua_State, slot: Slot) {
    // SAFETY: the function is bound, so the upvalue is the array of slots; lua_rawgeti runs no Lua code.
    unsafe { ffi::lua_rawgeti_(state, ffi::lua_upvalueindex(upvalue::SLOTS), slot.index()) };
}

/// Pushes the field of the table at `table` whose name is `key`, and says of what type it is; what a
/// metamethod raises becomes an error here: its text.
///
/// # Safety
///
/// As [`push_slot`]. A table is at `table`, which is absolute or an upvalue's. Guarded.
pub unsafe fn push_field(state: *mut lua_State, table: c_int, key: Slot) -> Result<c_int, Vec<u8>> {
    // SAFETY: running, bound, slots. The raw read runs no Lua code; `protect` catches what lua_gettable raises.
    unsafe {
        push_slot(state, key);
        let kind = ffi::lua_rawget(state, table);
        if kind != ffi::LUA_TNIL || ffi::lua_getmetatable(state, table) == 0 {
            return Ok(kind);
        }
        ffi::lua_pop(state, 2);
        ffi::lua_pushvalue(state, table);
        push_slot(state, key);
        protect(state, 2, 1, &mut |state| {
            ffi::lua_gettable(state, 1);
            1
        })?;
        Ok(ffi::lua_type(state, -1))
    }
}

/// The VM's main thread, where it is known: nginx has named it when the instance was made, or a call has run
/// in it since.
///
/// # Safety
///
/// Running, bound, slots. Guarded.
pub unsafe fn main_thread(state: *mut lua_State) -> Option<NonNull<lua_State>> {
    // SAFETY: running, bound, slots. `bind` has made the array with a place for the slot, so lua_rawseti does
    // not allocate.
    unsafe {
        push_slot(state, Slot::MainThread);
        let main = NonNull::new(ffi::lua_touserdata(state, -1).cast());
        ffi::lua_pop(state, 1);
        if main.is_some() {
            return main;
        }
        let is_main = ffi::lua_pushthread(state) == 1;
        ffi::lua_pop(state, 1);
        if !is_main {
            return None;
        }
        ffi::lua_pushlightuserdata(state, state.cast());
        let kept = ffi::lua_upvalueindex(upvalue::SLOTS);
        ffi::lua_rawseti(state, kept, Slot::MainThread.index().into());
        NonNull::new(state)
    }
}

/// Whether code runs in `thread`, perhaps below coroutines that it has resumed.
///
/// # Safety
///
/// `thread` is a thread of a VM that is open, and its frames do not change meanwhile: it is another thread of
/// the VM that runs this.
pub unsafe fn is_running(thread: NonNull<lua_State>) -> bool {
    // SAFETY: the thread is alive, and lua_getstack only counts its frames. Zeroes are a valid lua_Debug.
    unsafe {
        let mut frame = std::mem::zeroed::<ffi::lua_Debug>();
        ffi::lua_getstack(thread.as_ptr(), 0, &mut frame) == 1
    }
}

/// Work on a Lua stack that may raise.
type Job<'a> = &'a mut dyn FnMut(*mut lua_State) -> c_int;

thread_local! {
    /// The work that [`invoke`] is to do. A job never crosses threads, and Lua has no type for it.
    static JOB: Cell<Option<*mut c_void>> = const { Cell::new(None) };
}

/// The C function under which [`protect`] runs a job.
///
/// # Safety
///
/// Lua calls it, in the `pcall` of [`protect`]. Lua code cannot reach it: it is an upvalue of C functions only.
pub unsafe extern "C-unwind" fn invoke(state: *mut lua_State) -> c_int {
    let Some(job) = JOB.take() else { return 0 };
    // SAFETY: `protect` has set a pointer to its own `job`, which lives until its pcall is over, and `take` gives
    // it to one caller only.
    let job = unsafe { &mut *job.cast::<Job<'_>>() };
    job(state)
}

/// Runs `job` so that what it raises becomes an error here: its text. The topmost `arguments` values
/// are the job's stack, and it leaves `results` values in their place.
///
/// # Safety
///
/// Running, bound, slots; the topmost `arguments` values are the job's. The job does not panic, and owns nothing
/// that needs dropping while it calls Lua. Guarded.
pub unsafe fn protect(
    state: *mut lua_State,
    arguments: c_int,
    results: c_int,
    mut job: Job<'_>,
) -> Result<(), Vec<u8>> {
    // SAFETY: bound, so the upvalue is `invoke`; slots for it are there. The job outlives the pcall that runs it.
    unsafe {
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(upvalue::INVOKE));
        ffi::lua_insert(state, -(arguments + 1));
        JOB.set(Some((&raw mut job).cast()));
        let outcome = pcall(state, arguments, results);
        JOB.set(None);
        outcome
    }
}

/// Goes from the key on top to the next key and value of the table at `table`; pops the key at the end.
///
/// lua_next raises for a key that the table has lost. Where Lua code may have changed the table since
/// the key was read, `code_ran` makes the step a protected one.
///
/// # Safety
///
/// Running, bound, slots. A table is at `table`, which is absolute, and a key on top. Guarded, if the key is one
/// of the table's or `code_ran` is true.
pub unsafe fn next(state: *mut lua_State, table: c_int, code_ran: bool) -> Result<bool, Vec<u8>> {
    // SAFETY: without code that ran, the key is still one of the table's, and lua_next does not raise; else
    // `protect` catches that.
    unsafe {
        if !code_ran {
            return Ok(ffi::lua_next(state, table) != 0);
        }
        let mut more = false;
        ffi::lua_pushvalue(state, table);
        ffi::lua_insert(state, -2);
        protect(state, 2, 2, &mut |state| {
            more = ffi::lua_next(state, 1) != 0;
            if more { 2 } else { 0 }
        })?;
        if !more {
            ffi::lua_pop(state, 2);
        }
        Ok(more)
    }
}

/// Calls the function below the topmost `arguments` values; what it raises becomes an error here: its
/// text.
///
/// # Safety
///
/// Running; the function and its arguments are on top of the stack. Guarded.
pub unsafe fn pcall(
    state: *mut lua_State,
    arguments: c_int,
    results: c_int,
) -> Result<(), Vec<u8>> {
    // SAFETY: running, and the values are there. lua_pcall itself never raises, and its message is on top.
    unsafe {
        if ffi::lua_pcall(state, arguments, results, 0) == 0 {
            return Ok(());
        }
        let text = match string(state, -1) {
            Some(text) => text.to_vec(),
            None => format!("(error object is a {} value)", type_name(state, -1)).into_bytes(),
        };
        ffi::lua_pop(state, 1);
        Err(text)
    }
}
