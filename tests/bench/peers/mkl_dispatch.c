/* MKL picks its AVX-512 kernels only on one vendor's processors. Preloaded, this answers yes to that question, so that
   PyTorch's float32 products run at the speed the processor has. */
int mkl_serv_intel_cpu_true(void) { return 1; }
