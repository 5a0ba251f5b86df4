// A preloaded library that does nothing: what any preload costs, for comparison.
__attribute__((constructor)) static void nothing(void) {}
