// What compilers call by themselves, for targets without a C library.

extern "C" {

void* memcpy(void* to, const void* from, __SIZE_TYPE__ size)
{
    for (__SIZE_TYPE__ place = 0; place < size; ++place)
        static_cast<volatile char*>(to)[place] = static_cast<const char*>(from)[place];
    return to;
}

void* memset(void* to, int value, __SIZE_TYPE__ size)
{
    for (__SIZE_TYPE__ place = 0; place < size; ++place)
        static_cast<volatile char*>(to)[place] = static_cast<char>(value);
    return to;
}

void __main() {}
}
