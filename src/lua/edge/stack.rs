//! Lua's stack: functions that read values without running Lua code, and protected calls for everything that may
//! raise. [`crate::lua`] explains the words of the contracts.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_void};
use std::ptr::NonNull;

use mlua::ffi::{self, lua_State};

/// The indexes of the upvalues. Every function of an instance has all of them.
pub mod upvalue {
    use std::ffi::c_int;

    /// The VM's `ngx`.
    pub const NGX: c_int = 1;
    /// The array of slots, each at the index that `Slot` names.
    pub const SLOTS: c_int = 2;
    /// The C function `invoke`.
    pub const INVOKE: c_int = 3;
    /// What the server needs to find its request; for nginx the VM's main thread as light userdata, or nil if nginx
    /// has not named it.
    pub const SERVER: c_int = 4;
    /// The number of upvalues.
    pub const COUNT: c_int = 4;
}

macro_rules! slots {
    (
        services { $($(#[$about:meta])* $service:ident = $field:literal,)* }
        strings { $($string:ident = $text:literal,)* }
    ) => {
        /// A slot in the array of an instance. The slots hold the services, which Lua gives to the instance. They
        /// also hold the strings that calls need, so that Lua does not intern them again.
        #[derive(Debug, Clone, Copy)]
        pub enum Slot {
            $($(#[$about])* $service,)*
            $(#[doc = concat!("The string `", $text, "`.")] $string,)*
            /// The VM's main thread as light userdata, if only a later call has shown it. It lives as long as the VM.
            MainThread,
        }

        /// The services, each with its field in the table from Lua.
        pub const SERVICES: &[(Slot, &CStr)] = &[$((Slot::$service, $field),)*];
        /// The strings, each with its text.
        pub const STRINGS: &[(Slot, &str)] = &[$((Slot::$string, $text),)*];
    };
}

slots! {
    services {
        /// `function(level, message)`, or nil: the option `log`.
        Log = c"log",
        /// `function() -> string|nil`, or nil: the option `request_id`, the user's id of the request.
        RequestId = c"request_id",
        /// `function() -> string|nil|false`: the gateway's id of the request, or false without a gateway.
        GatewayRequestId = c"gateway_request_id",
        /// `function() -> number`: the HTTP version of the request.
        HttpVersion = c"http_version",
        /// `function(name, synthesised) -> string|nil`: a header in nginx's list.
        ListedHeader = c"listed_header",
        /// `function(max|nil) -> table, err`: all headers.
        AllHeaders = c"all_headers",
        /// A table or nil: the option `error_templates`, the paths of custom templates by the document's name.
        Templates = c"error_templates",
        /// `function(ctx)`: the value of `ctx.delayed_response_callback`, which sends a delayed response.
        Flush = c"flush",
        /// Lua's `tostring`.
        ToString = c"tostring",
        /// The value that JSON writes as `[]`, as in lua-cjson.
        EmptyArray = c"empty_array",
        /// The metatable of tables that JSON writes as arrays, as in lua-cjson.
        ArrayMt = c"array_mt",
        /// The metatable of tables that JSON writes as `[]` if they are empty, as in lua-cjson.
        EmptyArrayMt = c"empty_array_mt",
        /// `function(table) -> number`, or nil: `table.nkeys`, which only OpenResty's LuaJIT has.
        NumberOfKeys = c"nkeys",
        /// A number or nil: the option `max_body_size`, the limit for buffered bodies in bytes.
        MaxBodySize = c"max_body_size",
        /// A boolean or nil: the option `warnings`, whether warnings are logged. The default is true.
        Warnings = c"warnings",
        /// A boolean: whether the response ends if a body filter first clears the chunk and then sets the end of the
        /// body.
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
        LastModified = "last-modified",
    }
}

impl Slot {
    /// Its index in the array.
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
    // SAFETY: running, and the index is valid. For a string, lua_tolstring neither converts nor allocates. It returns
    // a pointer to the bytes, which stay while the string is reachable.
    unsafe {
        if ffi::lua_type(state, index) != ffi::LUA_TSTRING {
            return None;
        }
        let mut length = 0;
        let data = ffi::lua_tolstring(state, index, &mut length);
        Some(std::slice::from_raw_parts(data.cast(), length))
    }
}

/// The name of the type of the value at `index`, as Lua's `type` returns it; `nil` if there is no value.
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
        CStr::from_ptr(ffi::lua_typename(state, kind)).to_str().unwrap_or("?")
    }
}

/// Pushes a string.
///
/// # Safety
///
/// Running, slots. It raises if there is no memory.
pub unsafe fn push_bytes(state: *mut lua_State, bytes: &[u8]) {
    // SAFETY: the caller guarantees running and slots, and that this may raise. Lua copies the bytes.
    unsafe { ffi::lua_pushlstring(state, bytes.as_ptr().cast(), bytes.len()) };
}

/// Pushes the value of a slot.
///
/// # Safety
///
/// Running, bound, slots. Guarded.
pub unsafe fn push_slot(state: *mut lua_State, slot: Slot) {
    // SAFETY: the function is bound, so the upvalue is the array of slots; lua_rawgeti runs no Lua code.
    unsafe { ffi::lua_rawgeti_(state, ffi::lua_upvalueindex(upvalue::SLOTS), slot.index()) };
}

/// Pushes the field `key` of the table at `table`, and returns its type, one of `LUA_T*`.
///
/// # Errors
///
/// The text of the error that a metamethod raised. Then nothing is pushed.
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

/// Whether `thread` has a function that has not returned yet. The function may have resumed the running coroutine.
///
/// # Safety
///
/// `thread` is alive, and no other thread of the system runs its VM.
pub unsafe fn is_running(thread: NonNull<lua_State>) -> bool {
    // SAFETY: the thread is alive, and lua_getstack only reads its frames. Zeroes are a valid lua_Debug.
    unsafe {
        let mut frame = std::mem::zeroed::<ffi::lua_Debug>();
        ffi::lua_getstack(thread.as_ptr(), 0, &mut frame) == 1
    }
}

/// Code that works on a Lua stack and may raise. It returns the number of its results.
type Job<'a> = &'a mut dyn FnMut(*mut lua_State) -> c_int;

thread_local! {
    /// The job that [`invoke`] must run. Lua has no value for a job, so [`protect`] cannot pass it as an argument.
    static JOB: Cell<Option<*mut c_void>> = const { Cell::new(None) };
}

/// The C function under which [`protect`] runs a job.
///
/// # Safety
///
/// Lua calls it, in the `pcall` of [`protect`]. It is only an upvalue. If Lua code gets it with `debug.getupvalue`,
/// there is no job, and it does nothing.
pub unsafe extern "C-unwind" fn invoke(state: *mut lua_State) -> c_int {
    let Some(job) = JOB.take() else { return 0 };
    // SAFETY: `protect` has set a pointer to its own `job`, which lives until the pcall returns. `take` returns it
    // only once, so this reference is the only one.
    let job = unsafe { &mut *job.cast::<Job<'_>>() };
    job(state)
}

/// Runs `job` in a protected call. The job gets the topmost `arguments` values as its stack, and its results,
/// adjusted to `results` values, replace them.
///
/// # Errors
///
/// The text of the error that the job raised. Then the `arguments` values are gone and nothing replaces them.
///
/// # Safety
///
/// Running, bound, slots; the topmost `arguments` values are for the job. The job does not panic. While it calls Lua,
/// it owns no value that Rust has to drop. Guarded.
pub unsafe fn protect(
    state: *mut lua_State,
    arguments: c_int,
    results: c_int,
    mut job: Job<'_>,
) -> Result<(), Vec<u8>> {
    // SAFETY: running, bound, slots. The upvalue is `invoke`, because the function is bound. The job outlives the
    // pcall.
    unsafe {
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(upvalue::INVOKE));
        ffi::lua_insert(state, -(arguments + 1));
        JOB.set(Some((&raw mut job).cast()));
        let outcome = pcall(state, arguments, results);
        JOB.set(None);
        outcome
    }
}

/// Pops the key on top of the stack, and pushes the next key and value of the table at `table`. Returns false and
/// pushes nothing if there are no more keys.
///
/// lua_next raises an error for a key that the table no longer has. If Lua code may have changed the table since the
/// key was read, `code_ran` must be true. Then the call is protected.
///
/// # Errors
///
/// The text of that error, only if `code_ran` is true.
///
/// # Safety
///
/// Running, bound, slots. A table is at `table`, which is absolute, and a key or nil is on top. Either `code_ran` is
/// true, or the table still has the key. Guarded.
pub unsafe fn next(state: *mut lua_State, table: c_int, code_ran: bool) -> Result<bool, Vec<u8>> {
    // SAFETY: running, bound, slots. If `code_ran` is false, the table still has the key, so lua_next does not raise.
    // Otherwise `protect` catches the error.
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

/// How deep protected calls can be nested, as in Lua 5.1 (`LUAI_MAXCCALLS`). LuaJIT has no limit of its own, and the C
/// stack of a worker ends after thousands of them.
const MAX_NESTED: u32 = 200;

thread_local! {
    /// The number of protected calls that have not returned.
    static NESTED: Cell<u32> = const { Cell::new(0) };
}

/// Calls the function below the topmost `arguments` values in a protected call. `results` values replace function and
/// arguments.
///
/// # Errors
///
/// The text of the error that the function raised, or `(error object is a <type> value)`; `C stack overflow` inside of
/// [`MAX_NESTED`] such calls. Then nothing replaces function and arguments.
///
/// # Safety
///
/// Running; the function and its arguments are on top of the stack. Guarded.
pub unsafe fn pcall(
    state: *mut lua_State,
    arguments: c_int,
    results: c_int,
) -> Result<(), Vec<u8>> {
    let nested = NESTED.get();
    // SAFETY: running, and the values are there. lua_pcall itself does not raise. After an error, the error object is
    // on top.
    unsafe {
        if nested == MAX_NESTED {
            ffi::lua_pop(state, arguments + 1);
            return Err(b"C stack overflow".to_vec());
        }
        NESTED.set(nested + 1);
        let status = ffi::lua_pcall(state, arguments, results, 0);
        NESTED.set(nested);
        if status == 0 {
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
