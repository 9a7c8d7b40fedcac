/* Calls a Python function within a C function of its own for each stage, so that callgrind attributes
   the instructions of the stage to it. Without valgrind, callgrind's requests do nothing. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <valgrind/callgrind.h>

#define STAGE(n)                                                                                  \
    __attribute__((noinline)) static PyObject *hot_stage_##n(                                     \
        PyObject *self, PyObject *const *args, Py_ssize_t count)                                  \
    {                                                                                             \
        PyObject *result = PyObject_Vectorcall(args[0], args + 1, count - 1, NULL);               \
        __asm__ volatile("" ::: "memory"); /* keeps the frame: no tail call */                    \
        return result;                                                                            \
    }
STAGE(0) STAGE(1) STAGE(2) STAGE(3) STAGE(4) STAGE(5)
STAGE(6) STAGE(7) STAGE(8) STAGE(9) STAGE(10) STAGE(11)

static PyObject *toggle(PyObject *self, PyObject *unused)
{
    CALLGRIND_TOGGLE_COLLECT;
    Py_RETURN_NONE;
}

static PyObject *start(PyObject *self, PyObject *unused)
{
    CALLGRIND_START_INSTRUMENTATION;
    Py_RETURN_NONE;
}

#define ENTRY(n) {"stage_" #n, (PyCFunction)(void (*)(void))hot_stage_##n, METH_FASTCALL, NULL}
static PyMethodDef methods[] = {
    ENTRY(0), ENTRY(1), ENTRY(2), ENTRY(3), ENTRY(4), ENTRY(5), ENTRY(6), ENTRY(7), ENTRY(8),
    ENTRY(9), ENTRY(10), ENTRY(11), {"toggle", toggle, METH_NOARGS, NULL},
    {"start", start, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "stage_counter", NULL, -1, methods};

PyMODINIT_FUNC PyInit_stage_counter(void) { return PyModule_Create(&module); }
