# cmake -DIN=page.css -DOUT=page_css.c -DNAME=df_web_page_css -DHEADER=coordinator/web/page.h -P EmbedFile.cmake
# Writes a C file with the bytes of IN as `const unsigned char NAME[]` and their number as `const size_t NAME_bytes`,
# as HEADER declares them.
file(READ ${IN} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "#include \"${HEADER}\"\n\nconst unsigned char ${NAME}[] = {\n${bytes}0\n};\nconst size_t ${NAME}_bytes = sizeof ${NAME} - 1;\n")
