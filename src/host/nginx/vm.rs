//! The main thread of nginx's Lua VM, and its field `exdata`.
//!
//! In Lua, a coroutine cannot find the main thread. lua-nginx-module has a function for other modules of nginx,
//! `ngx_http_lua_get_global_state`. Its argument is an `ngx_conf_t`, of which it reads only the field `ctx`.
//!
//! The `exdata` of a thread is nginx's request. Compiled code reads that of the main thread in every call. It reads
//! the field itself, because calling `lua_getexdata` would take a third of the time of a call.
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

/// The main thread of the VM of `state`. `None` if nginx has another VM (with `lua_code_cache off`, each request has
/// its own), no configuration yet, or no such function.
pub fn main_thread(state: *mut lua_State) -> Option<NonNull<lua_State>> {
    let global_state = find(c"ngx_http_lua_get_global_state")?;
    let cycle = find(c"ngx_cycle")?.cast::<*const Cycle>();
    let module = find(c"ngx_http_module")?.cast::<Module>();
    // SAFETY: nginx defines the two variables with these types, and lua-nginx-module the function. The fields have
    // the same offsets in every nginx that loads modules. The cycle of a worker lives as long as the worker. Before,
    // it is null or has no configurations. Reading the addresses of the registries changes no VM.
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

/// The number of words of a thread that are searched. `exdata` is the last but one field, so a thread has at least as
/// many.
const WORDS: usize = 13;

/// The address of the field `exdata` of `thread`. `None` if LuaJIT has no such field, or if it is not found.
///
/// # Safety
///
/// `thread` and `state` are threads of one VM, and `state` has a free slot. It raises if there is no memory, so no
/// value is alive that Rust has to drop.
pub unsafe fn exdata_field(
    state: *mut lua_State,
    thread: NonNull<lua_State>,
) -> Option<NonNull<*mut c_void>> {
    let (get, set) = (find(c"lua_getexdata")?, find(c"lua_setexdata")?);
    // SAFETY: OpenResty's LuaJIT defines the two functions with these types, and a thread has at least WORDS words.
    // The code searches a new thread that nothing else uses, for the word that changes with `exdata`, twice. Nothing
    // reads through the two values.
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
