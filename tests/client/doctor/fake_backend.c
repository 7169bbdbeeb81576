/* libdiffarm_cuda.so, but for a library that it needs and that nobody finds: nothing of it is ever called. */
int df_cuda_module_exported;
