//! The main thread of the Lua VM that nginx's requests share.
//!
//! Lua has no function that names it from a coroutine. lua-nginx-module has one for other modules of nginx,
//! `ngx_http_lua_get_global_state`, which takes the configuration being read: it looks up its own part in
//! the field `ctx`, and nothing else.
//!
//! nginx's request of a thread is the thread's `exdata`. Compiled code reads that of the main thread at every
//! call: as a field, because a call of `lua_getexdata` costs a third of the whole.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr::{self, NonNull};

use mlua::ffi::{self, lua_State};

use super::api::find;

/// The beginning of nginx's `ngx_cycle_t`.
#[repr(C)]
struct Cycle {
    /// The configuration of each module of nginx, by its index.
    configurations: *const *mut c_void,
}

/// The beginning of nginx's `ngx_module_t`.
#[repr(C)]
struct Module {
    ctx_index: usize,
    index: usize,
}

/// nginx's `ngx_conf_t`.
#[repr(C)]
struct Conf {
    before: [*mut c_void; 7],
    ctx: *mut c_void,
    after: [usize; 4],
}

/// The main thread of the VM that `state` is a thread of. `None` where nginx has another VM (with
/// `lua_code_cache off` each request has its own), no configuration yet, or no such function.
pub fn main_thread(state: *mut lua_State) -> Option<NonNull<lua_State>> {
    let global_state = find(c"ngx_http_lua_get_global_state")?;
    let cycle = find(c"ngx_cycle")?.cast::<*const Cycle>();
    let module = find(c"ngx_http_module")?.cast::<Module>();
    // SAFETY: nginx defines the two variables with these types, and lua-nginx-module the function; the
    // fields read are where they are in every nginx that loads modules. The worker's cycle lives as long
    // as the worker; before it is there, it is null, or has no configurations. Registries are compared,
    // and reading their addresses changes no VM.
    unsafe {
        let global_state = std::mem::transmute::<
            *mut c_void,
            unsafe extern "C" fn(*const Conf) -> *mut lua_State,
        >(global_state);
        let configurations = cycle.read().as_ref()?.configurations;
        if configurations.is_null() {
            return None;
        }
        let ctx = *configurations.add((*module).index);
        if ctx.is_null() {
            return None;
        }
        let conf = Conf { before: [ptr::null_mut(); 7], ctx, after: [0; 4] };
        let main = NonNull::new(global_state(&conf))?;
        let registry = |state| ffi::lua_topointer(state, ffi::LUA_REGISTRYINDEX);
        (registry(main.as_ptr()) == registry(state)).then_some(main)
    }
}

/// How many words of a thread are looked at: so many are there where its `exdata` is the last but one.
const WORDS: usize = 13;

/// Where the `exdata` of `thread` is. `None` where LuaJIT has no such field, or has it elsewhere.
///
/// # Safety
///
/// `thread` and `state` are threads of one VM, and there is a slot on the stack of `state`. No Rust value is
/// alive that needs dropping: it may raise for want of memory.
pub unsafe fn exdata_field(
    state: *mut lua_State,
    thread: NonNull<lua_State>,
) -> Option<NonNull<*mut c_void>> {
    let (get, set) = (find(c"lua_getexdata")?, find(c"lua_setexdata")?);
    // SAFETY: OpenResty's LuaJIT defines the two with these types, and keeps an `exdata` in the thread, behind
    // fields that are there in each build. The field is looked for in a thread that nobody else knows: it is
    // the word that becomes what is set, twice. What is set there is never followed.
    unsafe {
        let get = std::mem::transmute::<
            *mut c_void,
            unsafe extern "C" fn(*mut lua_State) -> *mut c_void,
        >(get);
        let set = std::mem::transmute::<
            *mut c_void,
            unsafe extern "C" fn(*mut lua_State, *mut c_void),
        >(set);
        let probe = ffi::lua_newthread(state);
        let words = probe.cast::<*mut c_void>();
        let mut marks = [0u8; 2];
        let marks = marks.each_mut().map(|mark| ptr::from_mut(mark).cast::<c_void>());
        let found = (0..WORDS).find(|&i| {
            marks.iter().all(|&mark| {
                set(probe, mark);
                words.add(i).read_volatile() == mark
            })
        });
        set(probe, ptr::null_mut());
        ffi::lua_pop(state, 1);
        let field = thread.cast::<*mut c_void>().add(found?);
        (field.read_volatile() == get(thread.as_ptr())).then_some(field)
    }
}
