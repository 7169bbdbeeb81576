# The kernels, built for devices (engine/backend/cuda) and for the host's grid simulator (tests/engine/backend/cuda).
set(df_cuda_kernel_sources)
foreach(name attention attention_f32 attention_tensor_core elementwise embedding group_norm guidance noise norm
    per_channel picture quantize rearrange sampler)
  list(APPEND df_cuda_kernel_sources ${CMAKE_CURRENT_LIST_DIR}/${name}.cu)
endforeach()
