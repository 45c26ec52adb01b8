/*
 * The part of Node-API (version 8, https://nodejs.org/api/n-api.html) that host.c calls, declared by ourselves so that
 * building the host needs no headers of Node. The symbols are exported by the node executable.
 */
#ifndef HONE_NODE_API_H
#define HONE_NODE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_ref__ *napi_ref;
typedef struct napi_deferred__ *napi_deferred;
typedef struct napi_async_work__ *napi_async_work;
typedef struct napi_callback_info__ *napi_callback_info;

typedef int napi_status; /* 0 is napi_ok */
typedef int napi_valuetype;
typedef int napi_typedarray_type;

enum { napi_ok = 0 };
enum { napi_undefined = 0, napi_number = 3, napi_string = 4 };

typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
typedef void (*napi_finalize)(napi_env, void *data, void *hint);
typedef void (*napi_async_execute_callback)(napi_env, void *data);
typedef void (*napi_async_complete_callback)(napi_env, napi_status, void *data);

#define AUTO_LENGTH ((size_t)-1)

napi_status napi_get_cb_info(napi_env, napi_callback_info, size_t *argc, napi_value *argv, napi_value *self, void **data);
napi_status napi_create_function(napi_env, const char *name, size_t length, napi_callback, void *data, napi_value *result);
napi_status napi_set_named_property(napi_env, napi_value object, const char *name, napi_value value);
napi_status napi_throw_error(napi_env, const char *code, const char *message);
napi_status napi_create_error(napi_env, napi_value code, napi_value message, napi_value *result);
napi_status napi_is_exception_pending(napi_env, bool *result);

napi_status napi_typeof(napi_env, napi_value, napi_valuetype *result);
napi_status napi_get_undefined(napi_env, napi_value *result);
napi_status napi_create_object(napi_env, napi_value *result);
napi_status napi_create_double(napi_env, double, napi_value *result);
napi_status napi_get_value_double(napi_env, napi_value, double *result);
napi_status napi_create_string_utf8(napi_env, const char *, size_t length, napi_value *result);
napi_status napi_get_value_string_utf8(napi_env, napi_value, char *buffer, size_t size, size_t *result);

napi_status napi_create_array_with_length(napi_env, size_t length, napi_value *result);
napi_status napi_is_array(napi_env, napi_value, bool *result);
napi_status napi_get_array_length(napi_env, napi_value, uint32_t *result);
napi_status napi_get_element(napi_env, napi_value object, uint32_t index, napi_value *result);
napi_status napi_set_element(napi_env, napi_value object, uint32_t index, napi_value value);

napi_status napi_is_typedarray(napi_env, napi_value, bool *result);
napi_status napi_get_typedarray_info(napi_env, napi_value, napi_typedarray_type *type, size_t *length, void **data,
                                     napi_value *arraybuffer, size_t *byte_offset);

napi_status napi_create_reference(napi_env, napi_value, uint32_t initial, napi_ref *result);
napi_status napi_delete_reference(napi_env, napi_ref);
napi_status napi_get_reference_value(napi_env, napi_ref, napi_value *result);

napi_status napi_create_promise(napi_env, napi_deferred *deferred, napi_value *promise);
napi_status napi_resolve_deferred(napi_env, napi_deferred, napi_value);
napi_status napi_reject_deferred(napi_env, napi_deferred, napi_value);

napi_status napi_create_async_work(napi_env, napi_value resource, napi_value name, napi_async_execute_callback,
                                   napi_async_complete_callback, void *data, napi_async_work *result);
napi_status napi_queue_async_work(napi_env, napi_async_work);
napi_status napi_delete_async_work(napi_env, napi_async_work);

napi_status napi_set_instance_data(napi_env, void *data, napi_finalize, void *hint);
napi_status napi_get_instance_data(napi_env, void **data);

#endif
