// A C++ thread pool: templates, virtual calls, lambdas, inlined functions, std::function, exceptions in flight.
//
//   pool THREADS DEPTH [spin]     each worker is blocked about DEPTH frames deep; spin: one more thread measures gaps
//
// Workers wait in turn in: condition_variable::wait, a mutex, sleep_for, read of a pipe, future::get, wait_for.
// Prints `ready pid=N threads=N`. By lines of stdin:
//   mark     `gap max_us=N over100=N preempted=N loops=N`: the spinner's longest gap and how many were above 100 us
//            since the last mark, and how often the scheduler took its CPU meanwhile (such gaps are not a dump's)
// Ends at the end of stdin.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define FRAME __attribute__((noinline))
#define INLINED inline __attribute__((always_inline))

namespace pool {

std::atomic<int> arrived;
std::mutex never_free;
int never_ready[2];

template <typename T> struct Queue {
    std::mutex mutex;
    std::condition_variable filled;
    std::vector<T> items;
    FRAME T pop() {
        std::unique_lock<std::mutex> lock(mutex);
        arrived++;
        filled.wait(lock, [this] { return !items.empty(); });
        T item = items.back();
        items.pop_back();
        return item;
    }
    FRAME bool pop_for(std::chrono::seconds limit) {
        std::unique_lock<std::mutex> lock(mutex);
        arrived++;
        return filled.wait_for(lock, limit, [this] { return !items.empty(); });
    }
};
Queue<std::function<void()>> jobs;

struct Task {
    virtual ~Task() = default;
    virtual long run(int depth) = 0;
};

struct WaitForJob : Task {
    FRAME long run(int) override { auto job = jobs.pop(); job(); return 1; }
};
struct WaitForMutex : Task {
    FRAME long run(int) override { arrived++; std::lock_guard<std::mutex> guard(never_free); return 2; }
};
struct Sleep : Task {
    FRAME long run(int) override {
        arrived++;
        std::this_thread::sleep_for(std::chrono::hours(100));
        return 3;
    }
};
struct Read : Task {
    FRAME long run(int) override {
        char byte;
        arrived++;
        long got = read(never_ready[0], &byte, 1);
        asm volatile("" : "+r"(got));
        return got;
    }
};
std::promise<int> never_kept;
std::shared_future<int> never_known = never_kept.get_future().share();
struct Future : Task {
    FRAME long run(int) override { arrived++; return std::shared_future<int>(never_known).get(); }
};
struct WaitLimited : Task {
    FRAME long run(int) override { return jobs.pop_for(std::chrono::seconds(360000)); }
};

INLINED long inlined_twice(Task &task, int depth);
INLINED long inlined_once(Task &task, int depth) {
    long r = task.run(depth);
    asm volatile("" : "+r"(r));
    return r + depth;
}
INLINED long inlined_twice(Task &task, int depth) {
    long r = inlined_once(task, depth);
    asm volatile("" : "+r"(r));
    return r * 2;
}

template <int N> struct Level {
    template <typename Name> FRAME static long descend(Task &task, const Name &name, int depth) {
        long r = depth > 0 ? Level<(N + 1) % 4>::descend(task, name, depth - 1) : inlined_twice(task, depth);
        asm volatile("" : "+r"(r));
        return r + static_cast<long>(name.size());
    }
};

FRAME std::unique_ptr<Task> make(int n) {
    switch (n % 6) {
    case 0: return std::make_unique<WaitForJob>();
    case 1: return std::make_unique<WaitForMutex>();
    case 2: return std::make_unique<Sleep>();
    case 3: return std::make_unique<Read>();
    case 4: return std::make_unique<Future>();
    default: return std::make_unique<WaitLimited>();
    }
}

FRAME void worker(int n, int depth) {
    auto task = make(n);
    std::function<long(int)> begin = [&task, n](int deep) {
        std::string name = "worker " + std::to_string(n);
        try {
            return Level<0>::descend(*task, name, deep);
        } catch (const std::exception &) {
            return -1L;
        }
    };
    volatile long result = begin(depth);
    (void)result;
}

// The spinner reads the clock and nothing else. Gaps which the scheduler caused are told apart by the thread's count of
// involuntary switches.
struct Spinner {
    std::atomic<long> max_ns{0}, over100{0}, loops{0};
    std::atomic<int> id{0};
    std::atomic<bool> reset{false};
    FRAME void run() {
        id = static_cast<int>(gettid());
        setpriority(PRIO_PROCESS, 0, -20); // if allowed
        long long last = now();
        for (;;) {
            long long here = now();
            long gap = static_cast<long>(here - last);
            last = here;
            if (reset.exchange(false, std::memory_order_relaxed)) { max_ns = 0; over100 = 0; loops = 0; }
            loops.store(loops.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
            if (gap > max_ns.load(std::memory_order_relaxed)) max_ns = gap;
            if (gap > 100000) over100.store(over100.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        }
    }
    static INLINED long long now() {
        timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1000000000LL + t.tv_nsec;
    }
    // How often the scheduler took the spinner's CPU away.
    long preempted() const {
        std::string path = "/proc/self/task/" + std::to_string(id.load()) + "/status";
        FILE *file = fopen(path.c_str(), "r");
        char line[256];
        long count = 0;
        while (file && fgets(line, sizeof line, file)) sscanf(line, "nonvoluntary_ctxt_switches: %ld", &count);
        if (file) fclose(file);
        return count;
    }
};

} // namespace pool

int main(int argc, char **argv) {
    int threads = argc > 1 ? atoi(argv[1]) : 6, depth = argc > 2 ? atoi(argv[2]) : 5;
    bool spins = argc > 3 && !strcmp(argv[3], "spin");
    if (pipe(pool::never_ready)) return 3;
    pool::never_free.lock();
    // Beneath `descend` come about five frames of the pool, std::function and the thread's start; above it one to four.
    int levels = depth > 8 ? depth - 8 : 1;
    for (int n = 0; n < threads; n++) std::thread(pool::worker, n, levels).detach();
    static pool::Spinner spinner;
    if (spins) {
        std::thread([] { spinner.run(); }).detach();
        while (!spinner.id) std::this_thread::yield();
    }
    while (pool::arrived < threads) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    printf("ready pid=%d threads=%d\n", getpid(), threads + 1 + spins);
    fflush(stdout);
    char line[64];
    long before = spinner.id ? spinner.preempted() : 0;
    while (fgets(line, sizeof line, stdin)) {
        if (strcmp(line, "mark\n")) continue;
        long preempted = spinner.id ? spinner.preempted() : 0;
        printf("gap max_us=%ld over100=%ld preempted=%ld loops=%ld\n", spinner.max_ns / 1000, spinner.over100.load(),
               preempted - before, spinner.loops.load());
        fflush(stdout);
        before = preempted;
        spinner.reset = true;
        while (spins && spinner.reset) std::this_thread::yield();
    }
    _exit(0);
}
