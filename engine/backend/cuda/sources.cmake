# The backend itself, linked with the libraries' functions (engine/backend/cuda) or with doubles of them (tests).
set(df_cuda_backend_sources)
foreach(name attention backend context conv2d convolution describe device elementwise embedding faults linear norm
    parcels per_channel product quantize rearrange rest space upload vectors)
  list(APPEND df_cuda_backend_sources ${CMAKE_CURRENT_LIST_DIR}/${name}.c)
endforeach()
