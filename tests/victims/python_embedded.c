/* A program that has an interpreter inside for a time: `python_embedded LIBRARY`, where that is a libpython.
 *
 * Prints `ready`, then does what each line of standard input says, and says it when it is done:
 *   load    loads the library; its names are nobody else's
 *   begin   Py_Initialize
 *   finish  Py_FinalizeEx
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    void *library = NULL;
    char word[100];
    if (argc != 2)
        return 2;
    puts("ready");
    fflush(stdout);
    while (fgets(word, sizeof word, stdin)) {
        word[strcspn(word, "\n")] = 0;
        if (!strcmp(word, "load")) {
            library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
            if (!library)
                return puts(dlerror());
        } else if (!strcmp(word, "begin")) {
            void (*begin)(void) = (void (*)(void))dlsym(library, "Py_Initialize");
            void *(*give_back)(void) = (void *(*)(void))dlsym(library, "PyEval_SaveThread");
            begin();
            give_back();
        } else if (!strcmp(word, "finish")) {
            int (*ensure)(void) = (int (*)(void))dlsym(library, "PyGILState_Ensure");
            int (*finish)(void) = (int (*)(void))dlsym(library, "Py_FinalizeEx");
            ensure();
            finish();
        }
        puts(word);
        fflush(stdout);
    }
    return 0;
}
