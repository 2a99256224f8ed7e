// The part of the DevTools protocol that profiles need.

import WebSocket from "ws";

export class DevTools {
  #socket;
  #last = 0;
  #waiting = new Map();

  /** Connects to the first isolate of a runtime with an inspector on `port`. */
  static async connect(port) {
    const targets = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
    const target = targets.find(({ title }) => title.endsWith("worker0")) ?? targets[0];
    const socket = new WebSocket(target.webSocketDebuggerUrl, { perMessageDeflate: false });
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    return new DevTools(socket);
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on("message", (text) => {
      const { id, result, error } = JSON.parse(text);
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error.message));
    });
    socket.on("close", () => this.#waiting.forEach(({ reject }) => reject(new Error("the inspector hung up"))));
  }

  call(method, params = {}) {
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }

  close() {
    this.#socket.close();
  }
}
