// A JVM at work: threads that are created and end, collections of garbage, processes, compiled code, null pointers and deep stacks, which it
// learns of by signals. Prints the same each time. `Work wait` ends when its standard input does, with two threads in a deadlock and one that sleeps.
import java.io.*;
import java.nio.channels.FileChannel;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.*;
import java.util.stream.*;

public class Work {
    static int depth(int n) { return n == 0 ? 0 : 1 + depth(n - 1); }
    static int endless(int n) { return endless(n + 1) + 1; }
    static volatile Object nothing;

    public static void main(String[] arguments) throws Exception {
        if (arguments.length > 0) { hang(); return; }
        long sum = 0;
        for (int round = 0; round < 20; round++) {
            var threads = new ArrayList<Thread>(); var total = new AtomicLong();
            for (int i = 0; i < 20; i++) { int n = i; var thread = new Thread(() -> total.addAndGet(IntStream.range(0, 1000).map(x -> x * n).asLongStream().sum())); threads.add(thread); thread.start(); }
            for (var thread : threads) thread.join();
            sum += total.get();
        }
        System.out.println("threads " + sum);
        var pool = Executors.newFixedThreadPool(8); var futures = new ArrayList<Future<Integer>>();
        for (int i = 0; i < 200; i++) { int n = i; futures.add(pool.submit(() -> { var garbage = new ArrayList<byte[]>(); for (int k = 0; k < 200; k++) garbage.add(new byte[k * 50]); return garbage.size() + depth(n * 5); })); }
        int tasks = 0; for (var future : futures) tasks += future.get(); pool.shutdown(); System.out.println("tasks " + tasks + " " + pool.awaitTermination(60, TimeUnit.SECONDS));
        System.out.println("parallel " + IntStream.range(0, 2_000_000).parallel().filter(n -> n % 7 == 3).mapToLong(n -> n).sum());
        int nulls = 0; for (int i = 0; i < 20_000; i++) try { nothing.hashCode(); } catch (NullPointerException error) { nulls++; } System.out.println("null pointers " + nulls);
        int zeros = 0, zero = arguments.length; for (int i = 0; i < 20_000; i++) try { zeros += i / zero; } catch (ArithmeticException error) { zeros++; } System.out.println("divisions " + zeros);
        int overflows = 0; for (int i = 0; i < 5; i++) try { endless(0); } catch (StackOverflowError error) { overflows++; } System.out.println("overflows " + overflows);
        var deep = new Thread(null, () -> System.out.println("deep " + depth(100_000)), "deep", 256 << 20); deep.start(); deep.join();
        for (int i = 0; i < 5; i++) { var garbage = new byte[20][]; for (int k = 0; k < 20; k++) garbage[k] = new byte[1 << 20]; System.gc(); } System.out.println("collected");
        for (String command : List.of("echo from a shell; exit 5", "kill -9 $$", "cat", "env | grep -c ^PATH=")) {
            var process = new ProcessBuilder("sh", "-c", command).redirectErrorStream(true).start(); try { process.getOutputStream().write("input\n".getBytes()); process.getOutputStream().close(); } catch (IOException error) { /* It reads nothing, or has ended. */ }
            System.out.println(command + ": " + new String(process.getInputStream().readAllBytes()).trim() + " " + process.waitFor());
        }
        var processes = new ArrayList<Process>(); for (int i = 0; i < 20; i++) processes.add(new ProcessBuilder("sh", "-c", "exit " + i).start()); int codes = 0; for (var process : processes) codes += process.waitFor(); System.out.println("codes " + codes);
        var sleeper = new ProcessBuilder("sleep", "100").start(); sleeper.destroy(); System.out.println("destroyed " + sleeper.waitFor());
        var lock = new ReentrantLock(); var condition = lock.newCondition(); int[] turns = {0};
        Runnable turn = () -> { for (int i = 0; i < 500; i++) { lock.lock(); try { turns[0]++; condition.signalAll(); condition.awaitNanos(1000); } catch (InterruptedException error) { throw new AssertionError(error); } finally { lock.unlock(); } } };
        var one = new Thread(turn); var two = new Thread(turn); one.start(); two.start(); one.join(); two.join(); System.out.println("turns " + turns[0]);
        var interrupted = new Thread(() -> { try { Thread.sleep(100_000); } catch (InterruptedException error) { System.out.println("interrupted"); } }); interrupted.start(); interrupted.interrupt(); interrupted.join();
        var path = Path.of("mapped"); Files.write(path, new byte[1 << 20]);
        try (var channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE)) { var map = channel.map(FileChannel.MapMode.READ_WRITE, 0, 1 << 20); for (int i = 0; i < 1 << 20; i++) map.put(i, (byte) i); map.force(); System.out.println("mapped " + map.get(300)); }
        var heard = new Semaphore(0);
        for (String name : List.of("URG", "WINCH", "TERM")) {
            sun.misc.Signal.handle(new sun.misc.Signal(name), signal -> { System.out.println("signal " + signal.getName()); heard.release(); });
            for (int i = 0; i < 3; i++) { sun.misc.Signal.raise(new sun.misc.Signal(name)); heard.acquire(); }
        }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
        System.exit(6);
    }

    static void hang() throws Exception {
        Object a = new Object(), b = new Object(); var both = new CountDownLatch(2);
        BiThread.start("locks a", a, b, both); BiThread.start("locks b", b, a, both);
        var sleeper = new Thread(() -> { try { Thread.sleep(1_000_000); } catch (InterruptedException error) { throw new AssertionError(error); } }, "sleeper"); sleeper.setDaemon(true); sleeper.start();
        both.await();
        System.out.println("ready"); System.in.read(); System.exit(0);
    }

    static class BiThread {
        static void start(String name, Object first, Object second, CountDownLatch both) {
            var thread = new Thread(() -> { synchronized (first) { both.countDown(); try { both.await(); } catch (InterruptedException error) { return; } synchronized (second) { System.out.println("not reached"); } } }, name);
            thread.setDaemon(true); thread.start();
        }
    }
}
