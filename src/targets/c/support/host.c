/*
 * host.node: what lets Node load engines. An engine is a plain C library that knows nothing of Node:
 *
 *   int hone_run_<p>(const uint8_t *weights, uint8_t *arena, const void *const *inputs, void *const *outputs);
 *   int hone_part_<p>(the same, const struct hone_team *team);    where threads can share the run
 *
 * This file and the headers beside it load and unload such libraries, keep one copy of an engine's weights for all threads, give every
 * execution context an arena of its own, run contexts on the calling thread or on libuv's pool, with a team of threads
 * where a context asks for it, read the CPU's features, and count every native allocation they make.
 *
 * Handles are numbers with a generation in them, so a stale or invented one is refused and never followed. Every size
 * that JavaScript hands over is checked here again. Errors carry a code: handle, argument, size, busy, load, memory, engine.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "counted-memory.h"
#include "cpu-features.h"
#include "engines.h"
#include "node-api.h"

#define EXPORT __attribute__((visibility("default")))
#define MAX_PROFILES 4096u
#define MAX_VALUES 65536u /* inputs or outputs of one profile */
#define MAX_PATH 4096u
#define MAX_BYTES 281474976710656.0 /* 2^48 */

/* ---- what belongs to one JavaScript environment (the main thread, or one worker) -------------------------------------- */

enum kind { FREE, ENGINE, CONTEXT };

struct slot {
  void *object;
  uint32_t generation;
  enum kind kind;
};

struct environment {
  struct slot *slots;
  uint32_t capacity;
  uint32_t hint; /* no free slot is below it */
};

struct context {
  struct engine *engine;
  run_function run;
  part_function part;
  uint32_t threads;
  uint8_t *arena;
  size_t arena_bytes;
  uint32_t inputs, outputs;
  size_t *sizes;    /* bytes of inputs, then of outputs */
  void **pointers;  /* the same order; filled for each run */
  napi_ref pins;    /* a JavaScript array that keeps the arrays of the run in flight */
  napi_async_work work;
  napi_deferred deferred;
  int result;
  bool running;
  bool destroyed; /* while running: freed when the run ends */
};

#define SLOT_BITS 20
#define MAX_SLOTS (1u << SLOT_BITS)

static double slot_add(struct environment *env, enum kind kind, void *object) {
  uint32_t i = env->hint;
  while (i < env->capacity && env->slots[i].kind != FREE) i++;
  if (i == env->capacity) {
    uint32_t capacity = env->capacity ? env->capacity * 2 : 16;
    if (capacity > MAX_SLOTS) return 0;
    struct slot *slots = allocate(capacity * sizeof *slots);
    if (!slots) return 0;
    if (env->capacity) memcpy(slots, env->slots, env->capacity * sizeof *slots);
    release(env->slots, env->capacity * sizeof *slots);
    env->slots = slots;
    env->capacity = capacity;
  }
  struct slot *s = &env->slots[i];
  s->object = object;
  s->kind = kind;
  s->generation++;
  env->hint = i + 1;
  return (double)(((uint64_t)s->generation << SLOT_BITS) | i);
}

static struct slot *slot_find(struct environment *env, enum kind kind, double handle) {
  if (!(handle >= 1 && handle < 9007199254740992.0)) return NULL;
  uint64_t id = (uint64_t)handle;
  uint64_t i = id & (MAX_SLOTS - 1);
  if ((double)id != handle || i >= env->capacity) return NULL;
  struct slot *s = &env->slots[i];
  return s->kind == kind && s->generation == id >> SLOT_BITS ? s : NULL;
}

static void slot_remove(struct environment *env, struct slot *s) {
  uint32_t i = (uint32_t)(s - env->slots);
  s->kind = FREE;
  s->object = NULL;
  if (i < env->hint) env->hint = i;
}

static void context_free(napi_env env, struct context *c) {
  size_t values = (size_t)c->inputs + c->outputs;
  if (c->pins) napi_delete_reference(env, c->pins);
  unmap_pages(c->arena, c->arena_bytes);
  release(c->sizes, (values + 1) * sizeof *c->sizes);
  release(c->pointers, (values + 1) * sizeof *c->pointers);
  engine_release(c->engine);
  release(c, sizeof *c);
  atomic_fetch_sub(&contexts_alive, 1);
}

static void environment_free(napi_env env, void *data, void *hint) {
  struct environment *e = data;
  (void)hint;
  for (uint32_t i = 0; i < e->capacity; i++) {
    struct slot *s = &e->slots[i];
    if (s->kind == ENGINE) engine_release(s->object);
    if (s->kind != CONTEXT) continue;
    struct context *c = s->object;
    /* Node lets async work end before it takes an environment down; if one were left, leaking it is the safe side. */
    if (!c->running) context_free(env, c);
  }
  release(e->slots, e->capacity * sizeof *e->slots);
  release(e, sizeof *e);
}

/* ---- arguments ------------------------------------------------------------------------------------------------------- */

struct call {
  napi_env env;
  struct environment *state;
  napi_value argv[6];
};

__attribute__((format(printf, 3, 4))) static napi_value fail(napi_env env, const char *code, const char *format, ...) {
  char message[1024];
  va_list list;
  va_start(list, format);
  vsnprintf(message, sizeof message, format, list);
  va_end(list);
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  if (!pending) napi_throw_error(env, code, message);
  return NULL;
}

static bool begin(struct call *call, napi_env env, napi_callback_info info, size_t wanted) {
  size_t argc = 6;
  void *state = NULL;
  call->env = env;
  if (napi_get_cb_info(env, info, &argc, call->argv, NULL, NULL) != napi_ok || argc < wanted) {
    fail(env, "argument", "%zu arguments are needed", wanted);
    return false;
  }
  if (napi_get_instance_data(env, &state) != napi_ok || !state) {
    fail(env, "argument", "the host was not initialised in this thread");
    return false;
  }
  call->state = state;
  return true;
}

static bool get_size(struct call *call, napi_value value, double limit, const char *what, size_t *result) {
  double d = 0;
  if (napi_get_value_double(call->env, value, &d) == napi_ok && d >= 0 && d <= limit && d == (double)(size_t)d) {
    *result = (size_t)d;
    return true;
  }
  fail(call->env, "argument", "%s must be an integer from 0 to %.0f", what, limit);
  return false;
}

static struct slot *get_slot(struct call *call, enum kind kind) {
  double handle = 0;
  struct slot *s = NULL;
  if (napi_get_value_double(call->env, call->argv[0], &handle) == napi_ok) s = slot_find(call->state, kind, handle);
  if (!s) fail(call->env, "handle", "not the handle of %s", kind == ENGINE ? "a loaded engine" : "a living context");
  return s;
}

static const size_t element_bytes[] = {1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 2}; /* by napi_typedarray_type */

static bool get_bytes(napi_env env, napi_value value, void **data, size_t *size) {
  bool is = false;
  napi_typedarray_type type = 0;
  size_t length = 0;
  if (napi_is_typedarray(env, value, &is) != napi_ok || !is) return false;
  if (napi_get_typedarray_info(env, value, &type, &length, data, NULL, NULL) != napi_ok) return false;
  if (type < 0 || (size_t)type >= sizeof element_bytes / sizeof *element_bytes) return false;
  *size = length * element_bytes[type];
  return true;
}

static bool get_array(struct call *call, napi_value value, uint32_t limit, const char *what, uint32_t *length) {
  bool is = false;
  if (napi_is_array(call->env, value, &is) == napi_ok && is && napi_get_array_length(call->env, value, length) == napi_ok &&
      *length <= limit)
    return true;
  fail(call->env, "argument", "%s must be an array of at most %u elements", what, limit);
  return false;
}

static napi_value number(napi_env env, double d) {
  napi_value v = NULL;
  napi_create_double(env, d, &v);
  return v;
}

static napi_value undefined(napi_env env) {
  napi_value v = NULL;
  napi_get_undefined(env, &v);
  return v;
}

/* ---- load and unload ------------------------------------------------------------------------------------------------- */

/* Opens the library from a path (string) or from its bytes. Throws and returns false when it cannot. */
static bool open_library(struct call *call, struct engine *e, napi_value source) {
  char path[MAX_PATH];
  size_t length = 0;
  napi_valuetype type = napi_undefined;
  napi_typeof(call->env, source, &type);
  if (type == napi_string) {
    napi_get_value_string_utf8(call->env, source, path, sizeof path, &length);
    if (length + 1 >= sizeof path) return fail(call->env, "argument", "the path is too long"), false;
  } else {
    void *bytes = NULL;
    if (!get_bytes(call->env, source, &bytes, &length)) return fail(call->env, "argument", "source must be a path or bytes"), false;
    e->memory_file = memory_file(bytes, length);
    if (e->memory_file < 0) return fail(call->env, "load", "this system has no files in memory (memfd_create)"), false;
    snprintf(path, sizeof path, "/proc/self/fd/%d", e->memory_file);
  }
  e->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!e->library) {
    const char *why = dlerror();
    return fail(call->env, "load", "%s", why ? why : "dlopen failed"), false;
  }
  for (uint32_t p = 0; p < e->profiles; p++) {
    char name[32];
    snprintf(name, sizeof name, "hone_run_%u", p);
    void *symbol = dlsym(e->library, name);
    if (!symbol) return fail(call->env, "load", "the engine's code has no function %s", name), false;
    memcpy(&e->run[p], &symbol, sizeof symbol);
    snprintf(name, sizeof name, "hone_part_%u", p);
    symbol = dlsym(e->library, name);
    memcpy(&e->part[p], &symbol, sizeof symbol);
  }
  return true;
}

/* Under the registry lock. */
static struct engine *engine_create(struct call *call, const char *key, uint32_t profiles, bool give) {
  void *weights = NULL;
  size_t size = 0;
  if (!get_bytes(call->env, call->argv[2], &weights, &size)) return fail(call->env, "argument", "weights must be bytes"), NULL;
  struct engine *e = allocate(sizeof *e);
  if (!e) return fail(call->env, "memory", "out of memory"), NULL;
  e->memory_file = -1;
  e->profiles = profiles;
  e->run = allocate(profiles * sizeof *e->run);
  e->part = allocate(profiles * sizeof *e->part);
  e->weight_bytes = size ? size : 64;
  e->weights = map_pages(e->weight_bytes);
  if (!e->run || !e->part || !e->weights) {
    fail(call->env, "memory", "no memory for %zu bytes of weights", size);
  } else if (open_library(call, e, call->argv[1])) {
    if (give) move_bytes(e->weights, weights, size);
    else if (size) memcpy(e->weights, weights, size);
    mprotect(e->weights, e->weight_bytes, PROT_READ);
    strcpy(e->key, key);
    e->next = registry;
    registry = e;
    atomic_fetch_add(&engines_alive, 1);
    return e;
  }
  engine_free(e);
  return NULL;
}

/*
 * load(key, path | bytes, weights, profiles, give) -> engine. What was loaded under the same key before is shared. With `give` 1
 * the weights are moved: the caller's array may read as zeros after.
 */
static napi_value load(napi_env env, napi_callback_info info) {
  struct call call;
  char key[MAX_KEY + 1];
  size_t length = 0, profiles = 0, give = 0;
  if (!begin(&call, env, info, 5)) return NULL;
  if (napi_get_value_string_utf8(env, call.argv[0], key, sizeof key, &length) != napi_ok || length == 0 || length >= MAX_KEY)
    return fail(env, "argument", "key must be a string of 1 to %u bytes", MAX_KEY - 1);
  if (!get_size(&call, call.argv[3], MAX_PROFILES, "profiles", &profiles)) return NULL;
  if (profiles == 0) return fail(env, "argument", "an engine has at least one profile");
  if (!get_size(&call, call.argv[4], 1, "give", &give)) return NULL;

  pthread_mutex_lock(&registry_lock);
  struct engine *e = registry;
  while (e && strcmp(e->key, key) != 0) e = e->next;
  if (!e) {
    e = engine_create(&call, key, (uint32_t)profiles, give == 1);
  } else if (e->profiles != profiles) {
    fail(env, "argument", "the engine is loaded with %u profiles", e->profiles);
    e = NULL;
  }
  if (e) e->references++;
  pthread_mutex_unlock(&registry_lock);
  if (!e) return NULL;

  double handle = slot_add(call.state, ENGINE, e);
  if (handle != 0) return number(env, handle);
  engine_release(e);
  return fail(env, "memory", "too many handles");
}

/* unload(engine). Contexts made from it keep the code and weights until they are destroyed. */
static napi_value unload(napi_env env, napi_callback_info info) {
  struct call call;
  if (!begin(&call, env, info, 1)) return NULL;
  struct slot *s = get_slot(&call, ENGINE);
  if (!s) return NULL;
  struct engine *e = s->object;
  slot_remove(call.state, s);
  engine_release(e);
  return undefined(env);
}

/* ---- contexts -------------------------------------------------------------------------------------------------------- */

static bool get_sizes(struct call *call, napi_value array, uint32_t count, size_t *sizes) {
  for (uint32_t i = 0; i < count; i++) {
    napi_value element = NULL;
    if (napi_get_element(call->env, array, i, &element) != napi_ok) return fail(call->env, "argument", "cannot read sizes"), false;
    if (!get_size(call, element, MAX_BYTES, "a size", &sizes[i])) return false;
  }
  return true;
}

/* createContext(engine, profile, arenaBytes, inputBytes[], outputBytes[], threads) -> context. The arena, for all its threads, is zeroed, once. */
static napi_value create_context(napi_env env, napi_callback_info info) {
  struct call call;
  size_t profile = 0, arena = 0, threads = 0;
  uint32_t inputs = 0, outputs = 0;
  if (!begin(&call, env, info, 6)) return NULL;
  struct slot *s = get_slot(&call, ENGINE);
  if (!s) return NULL;
  struct engine *e = s->object;
  if (!get_size(&call, call.argv[1], e->profiles - 1, "profile", &profile)) return NULL;
  if (!get_size(&call, call.argv[2], MAX_BYTES, "arenaBytes", &arena)) return NULL;
  if (!get_size(&call, call.argv[5], MAX_TEAM, "threads", &threads)) return NULL;
  if (!get_array(&call, call.argv[3], MAX_VALUES, "inputBytes", &inputs)) return NULL;
  if (!get_array(&call, call.argv[4], MAX_VALUES, "outputBytes", &outputs)) return NULL;

  struct context *c = allocate(sizeof *c);
  if (!c) return fail(env, "memory", "out of memory");
  size_t values = (size_t)inputs + outputs;
  c->engine = e;
  engine_retain(e);
  atomic_fetch_add(&contexts_alive, 1);
  c->run = e->run[profile];
  c->part = e->part[profile];
  c->threads = (uint32_t)threads;
  c->inputs = inputs;
  c->outputs = outputs;
  c->arena_bytes = arena ? arena : 64;
  c->arena = map_pages(c->arena_bytes);
  c->sizes = allocate((values + 1) * sizeof *c->sizes);
  c->pointers = allocate((values + 1) * sizeof *c->pointers);
  double handle = 0;
  if (!c->arena || !c->sizes || !c->pointers) {
    fail(env, "memory", "no memory for an arena of %zu bytes", c->arena_bytes);
  } else if (get_sizes(&call, call.argv[3], inputs, c->sizes) && get_sizes(&call, call.argv[4], outputs, c->sizes + inputs)) {
    napi_value pins = NULL;
    napi_create_array_with_length(env, values, &pins);
    if (napi_create_reference(env, pins, 1, &c->pins) == napi_ok) handle = slot_add(call.state, CONTEXT, c);
    if (handle == 0) fail(env, "memory", "too many handles");
  }
  if (handle != 0) return number(env, handle);
  context_free(env, c);
  return NULL;
}

/* destroyContext(context). One that is running is freed when its run ends. */
static napi_value destroy_context(napi_env env, napi_callback_info info) {
  struct call call;
  if (!begin(&call, env, info, 1)) return NULL;
  struct slot *s = get_slot(&call, CONTEXT);
  if (!s) return NULL;
  struct context *c = s->object;
  if (c->running) {
    c->destroyed = true;
  } else {
    context_free(env, c);
  }
  slot_remove(call.state, s);
  return undefined(env);
}

/* ---- runs ------------------------------------------------------------------------------------------------------------ */

static uint64_t empty_value; /* what a value of no elements points to: engines never see NULL */

static bool take_values(struct call *call, struct context *c, napi_value array, uint32_t first, uint32_t count, const char *what,
                        napi_value pins) {
  uint32_t length = 0;
  if (!get_array(call, array, MAX_VALUES, what, &length)) return false;
  if (length != count) return fail(call->env, "size", "the engine has %u %s, got %u", count, what, length), false;
  for (uint32_t i = 0; i < count; i++) {
    napi_value value = NULL;
    void *data = NULL;
    size_t size = 0;
    if (napi_get_element(call->env, array, i, &value) != napi_ok || !get_bytes(call->env, value, &data, &size))
      return fail(call->env, "argument", "%s[%u] is not a typed array", what, i), false;
    if (size != c->sizes[first + i])
      return fail(call->env, "size", "%s[%u] has %zu bytes, the engine needs %zu", what, i, size, c->sizes[first + i]), false;
    if (size && !data) return fail(call->env, "argument", "%s[%u] has no memory", what, i), false;
    c->pointers[first + i] = size ? data : &empty_value;
    if (pins && napi_set_element(call->env, pins, first + i, value) != napi_ok)
      return fail(call->env, "argument", "cannot hold %s[%u]", what, i), false;
  }
  return true;
}

static struct context *take_context(struct call *call, napi_value pins_out[1]) {
  struct slot *s = get_slot(call, CONTEXT);
  if (!s) return NULL;
  struct context *c = s->object;
  if (c->running) return fail(call->env, "busy", "the context is running"), NULL;
  if (pins_out && napi_get_reference_value(call->env, c->pins, pins_out) != napi_ok)
    return fail(call->env, "argument", "the thread is ending"), NULL;
  napi_value pins = pins_out ? pins_out[0] : NULL;
  if (!take_values(call, c, call->argv[1], 0, c->inputs, "inputs", pins)) return NULL;
  if (!take_values(call, c, call->argv[2], c->inputs, c->outputs, "outputs", pins)) return NULL;
  return c;
}

static int execute(struct context *c) {
  atomic_fetch_add(&run_count, 1);
  if (c->part && c->threads > 1) {
    struct team_job job = {c->part, c->engine->weights, c->arena, (const void *const *)c->pointers, c->pointers + c->inputs};
    return team_run(&job, c->threads);
  }
  return c->run(c->engine->weights, c->arena, (const void *const *)c->pointers, c->pointers + c->inputs);
}

/* run(context, inputs[], outputs[]), on this thread. */
static napi_value run(napi_env env, napi_callback_info info) {
  struct call call;
  if (!begin(&call, env, info, 3)) return NULL;
  struct context *c = take_context(&call, NULL);
  if (!c) return NULL;
  int result = execute(c);
  return result == 0 ? undefined(env) : fail(env, "engine", "the engine's code answered %d", result);
}

static void async_execute(napi_env env, void *data) {
  struct context *c = data;
  (void)env;
  c->result = execute(c);
}

static void unpin(napi_env env, struct context *c) {
  napi_value pins = NULL;
  if (napi_get_reference_value(env, c->pins, &pins) != napi_ok || !pins) return;
  for (uint32_t i = 0; i < c->inputs + c->outputs; i++) napi_set_element(env, pins, i, undefined(env));
}

static void async_complete(napi_env env, napi_status status, void *data) {
  struct context *c = data;
  napi_deferred deferred = c->deferred;
  int result = c->result;
  napi_delete_async_work(env, c->work);
  unpin(env, c);
  c->running = false;
  if (c->destroyed) context_free(env, c);
  if (status == napi_ok && result == 0) {
    napi_resolve_deferred(env, deferred, undefined(env));
    return;
  }
  char text[64];
  napi_value code = NULL, message = NULL, error = NULL;
  snprintf(text, sizeof text, status == napi_ok ? "the engine's code answered %d" : "the run was cancelled (%d)",
           status == napi_ok ? result : status);
  napi_create_string_utf8(env, "engine", AUTO_LENGTH, &code);
  napi_create_string_utf8(env, text, AUTO_LENGTH, &message);
  napi_create_error(env, code, message, &error);
  napi_reject_deferred(env, deferred, error);
}

/* runAsync(context, inputs[], outputs[]) -> promise. The arrays are held until it settles; they must not be detached. */
static napi_value run_async(napi_env env, napi_callback_info info) {
  struct call call;
  napi_value pins = NULL, name = NULL, promise = NULL;
  if (!begin(&call, env, info, 3)) return NULL;
  struct context *c = take_context(&call, &pins);
  if (!c) return NULL;
  napi_create_string_utf8(env, "hone", AUTO_LENGTH, &name);
  if (napi_create_async_work(env, NULL, name, async_execute, async_complete, c, &c->work) != napi_ok)
    return fail(env, "memory", "cannot create asynchronous work");
  if (napi_create_promise(env, &c->deferred, &promise) != napi_ok || napi_queue_async_work(env, c->work) != napi_ok) {
    napi_delete_async_work(env, c->work);
    return fail(env, "memory", "cannot queue asynchronous work");
  }
  c->running = true;
  return promise;
}

/* ---- features and statistics ----------------------------------------------------------------------------------------- */

struct list {
  napi_env env;
  napi_value array;
};

static void push(void *data, const char *name) {
  struct list *list = data;
  uint32_t length = 0;
  napi_value text = NULL;
  napi_get_array_length(list->env, list->array, &length);
  napi_create_string_utf8(list->env, name, AUTO_LENGTH, &text);
  napi_set_element(list->env, list->array, length, text);
}

/* features() -> names of what this CPU has and the operating system lets us use. */
static napi_value features(napi_env env, napi_callback_info info) {
  struct list list = {env, NULL};
  (void)info;
  if (napi_create_array_with_length(env, 0, &list.array) != napi_ok) return NULL;
  list_features(push, &list);
  return list.array;
}

/* stats() -> counts over the whole process. */
static napi_value stats(napi_env env, napi_callback_info info) {
  napi_value object = NULL;
  (void)info;
  if (napi_create_object(env, &object) != napi_ok) return NULL;
  napi_set_named_property(env, object, "allocations", number(env, (double)atomic_load(&allocation_count)));
  napi_set_named_property(env, object, "bytesAlive", number(env, (double)atomic_load(&bytes_alive)));
  napi_set_named_property(env, object, "engines", number(env, (double)atomic_load(&engines_alive)));
  napi_set_named_property(env, object, "contexts", number(env, (double)atomic_load(&contexts_alive)));
  napi_set_named_property(env, object, "runs", number(env, (double)atomic_load(&run_count)));
  return object;
}

/* ---- the module ------------------------------------------------------------------------------------------------------ */

EXPORT int32_t node_api_module_get_api_version_v1(void);
EXPORT napi_value napi_register_module_v1(napi_env env, napi_value exports);

int32_t node_api_module_get_api_version_v1(void) { return 8; }

napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  static const struct {
    const char *name;
    napi_callback call;
  } functions[] = {
      {"load", load}, {"unload", unload}, {"createContext", create_context}, {"destroyContext", destroy_context},
      {"run", run},   {"runAsync", run_async}, {"features", features}, {"stats", stats},
  };
  struct environment *state = allocate(sizeof *state);
  if (!state || napi_set_instance_data(env, state, environment_free, NULL) != napi_ok) {
    release(state, sizeof *state);
    return fail(env, "memory", "the host could not be initialised");
  }
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function = NULL;
    if (napi_create_function(env, functions[i].name, AUTO_LENGTH, functions[i].call, NULL, &function) != napi_ok) return NULL;
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  return exports;
}
