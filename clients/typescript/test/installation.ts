import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, connect, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** The real server, which "npm test" builds before the tests run. */
const binary = fileURLToPath(new URL("../server", import.meta.url));

/** Installation is the real server as a process, on its embedded database. */
export class Installation {
  key = "";
  private process: ChildProcess | undefined;
  private stderr = "";

  private constructor(
    readonly address: string,
    readonly admin: string,
    private readonly data: string,
  ) {}

  /** open chooses where a server listens and keeps its data, and starts it. */
  static async open(): Promise<Installation> {
    const data = await mkdtemp(join(tmpdir(), "kvit-typescript-"));
    const installation = new Installation(await freeAddress(), await freeAddress(), data);
    await installation.start();
    return installation;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  /** start runs the server until its key is printed. */
  async start(): Promise<void> {
    const others = Object.entries(process.env).filter(([name]) => !name.startsWith("KVIT_"));
    const child = spawn(binary, {
      env: {
        ...Object.fromEntries(others),
        KVIT_LISTEN: this.address,
        KVIT_ADMIN_LISTEN: this.admin,
        KVIT_SANDBOX_LISTEN: "127.0.0.1:0",
        KVIT_PUBLIC_URL: this.url,
        KVIT_DATA_DIR: this.data,
      },
      cwd: this.data,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.process = child;
    this.stderr = "";
    child.stderr.on("data", (text: Buffer) => (this.stderr = (this.stderr + text.toString()).slice(-4000)));
    for await (const line of createInterface(child.stdout)) {
      const key = /kvit_platform_[A-Za-z0-9]+/.exec(line)?.[0];
      if (key !== undefined) {
        this.key = key;
        child.stdout.resume();
        return;
      }
    }
    throw new Error(`the server ended without a key\n${this.stderr}`);
  }

  /** stop ends the server with a signal and waits until it is gone. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGKILL"): Promise<void> {
    const child = this.process;
    this.process = undefined;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      child.kill(signal);
      await once(child, "exit");
    }
  }

  /** close stops the server and removes what it kept. */
  async close(): Promise<void> {
    await this.stop();
    await rm(this.data, { recursive: true, force: true });
  }
}

async function freeAddress(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return `127.0.0.1:${port}`;
}

/** Shears is a way to a server that cuts every connection after some bytes of answers, each time some more. */
export class Shears {
  cuts = 0;
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private bytes: number,
  ) {}

  static async open(target: string, firstBytes: number): Promise<Shears> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const shears = new Shears(server, firstBytes);
    server.on("connection", (socket) => shears.join(socket, target));
    return shears;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  private join(near: Socket, target: string): void {
    const [host = "", port = ""] = target.split(":");
    const far = connect(Number(port), host);
    let left = (this.bytes = Math.ceil(this.bytes * 1.5));
    const end = (): void => void (near.destroy(), far.destroy());
    for (const socket of [near, far]) {
      this.sockets.add(socket);
      socket.on("error", end).on("close", end);
    }
    near.on("data", (chunk) => far.write(chunk));
    far.on("data", (chunk) => {
      near.write(chunk.subarray(0, left));
      left -= chunk.length;
      if (left <= 0) {
        this.cuts++;
        // Half of the cuts are an orderly end in the middle of an answer, the others break the connection.
        near[this.cuts % 2 === 0 ? "destroySoon" : "resetAndDestroy"]();
        far.destroy();
      }
    });
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) {
      socket.destroy();
    }
    this.server.close();
    await once(this.server, "close");
  }
}
