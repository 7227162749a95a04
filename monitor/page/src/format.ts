// Numbers as people read them; prefixes are decimal, as in Weir's other views.

const BYTES = ["B", "kB", "MB", "GB", "TB", "PB"];
const BITS = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];

export interface Quantity {
  number: string;
  unit: string;
}

function scaled(value: number, units: string[]): Quantity {
  let rest = Number.isFinite(value) ? value : 0;
  let at = 0;
  while (rest >= 999.5 && at < units.length - 1) {
    rest /= 1000;
    at += 1;
  }
  return { number: rest.toFixed(at > 0 && rest < 99.95 ? 1 : 0), unit: units[at] ?? "" };
}

export const bytes = (value: number): Quantity => scaled(value, BYTES);

const BYTE_RATES = ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"];
const KEPT = "weir.rates";

// Whether rates are shown in bytes: what was chosen last, or bits.
let inBytes = ((): boolean => {
  try {
    return localStorage.getItem(KEPT) === "bytes";
  } catch {
    return false;
  }
})();
export const ratesInBytes = (): boolean => inBytes;
export function setRatesInBytes(chosen: boolean): void {
  inBytes = chosen;
  try {
    localStorage.setItem(KEPT, chosen ? "bytes" : "bits");
  } catch {
    // A browser that keeps nothing shows the choice until the page is left.
  }
}
const factor = (): number => (inBytes ? 1 : 8);
const rateUnits = (): string[] => (inBytes ? BYTE_RATES : BITS);
export const bitRate = (bytesPerSecond: number): Quantity => scaled(bytesPerSecond * factor(), rateUnits());
export const said = (quantity: Quantity): string => `${quantity.number} ${quantity.unit}`;

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
export const count = (value: number): string => whole.format(Number.isFinite(value) ? value : 0);

// Things per second: exact where they are few.
export function perSecond(value: number): string {
  return value > 0 && value < 9.95 ? value.toFixed(1) : count(value);
}

export function percent(share: number): string {
  if (!Number.isFinite(share)) return "–";
  if (share > 0 && share < 0.0005) return "<0.1 %";
  return `${(share * 100).toFixed(1)} %`;
}

export function seconds(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "–";
  const short = (number: number, unit: string): string =>
    `${number.toFixed(number < 9.995 ? 2 : number < 99.95 ? 1 : 0)} ${unit}`;
  if (value === 0) return "0 s";
  if (value < 0.9995e-3) return short(value * 1e6, "µs");
  if (value < 0.9995) return short(value * 1e3, "ms");
  if (value < 119.5) return short(value, "s");
  return span(value);
}

// Ages: `45 s`, `3 min`, `2 h 10 min`, `5 d 3 h`.
export function span(value: number): string {
  const s = Math.max(0, Math.round(value));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172_800) return `${Math.floor(s / 3600)} h ${Math.floor((s / 60) % 60)} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s / 3600) % 24)} h`;
}

export const milliseconds = (time: string): number => Date.parse(time);

export function clock(time: string | number): string {
  const date = new Date(time);
  const two = (n: number): string => String(n).padStart(2, "0");
  return Number.isNaN(date.getTime())
    ? "–"
    : `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

export function window(s: number): string {
  return s >= 3600 ? `${s / 3600} h` : s >= 60 ? `${s / 60} min` : `${s} s`;
}

export function endpoint(ip: string, port: number): string {
  const address = ip.includes(":") ? `[${ip}]` : ip;
  return port ? `${address}:${port}` : ip;
}

// A unit that stays: larger at once when the numbers need it, smaller only when they are far below.
export class Scale {
  private at = 0;

  // Takes note of the largest number that is shown, bytes per second.
  fit(bytesPerSecond: number): void {
    const bits = bytesPerSecond * factor();
    while (this.at < BITS.length - 1 && bits >= 1000 ** (this.at + 1)) this.at += 1;
    while (this.at > 0 && bits < 0.2 * 1000 ** this.at) this.at -= 1;
  }

  get unit(): string {
    return rateUnits()[this.at] ?? "";
  }

  number(bytesPerSecond: number): string {
    const value = (bytesPerSecond * factor()) / 1000 ** this.at;
    return this.at === 0 ? count(value) : value >= 100 ? value.toFixed(1) : value.toFixed(2);
  }

  // Bits per second at a line of an axis.
  tick(bits: number): string {
    return String(Number((((bits / 8) * factor()) / 1000 ** this.at).toPrecision(4)));
  }

  said(bytesPerSecond: number): string {
    return `${this.number(bytesPerSecond)} ${this.unit}`;
  }
}
