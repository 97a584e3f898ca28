"use strict";

const form = document.getElementById("form");
const answer = document.getElementById("answer");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = Object.fromEntries(new FormData(form));
  const input = {
    lines: [{ item: given.item, quantity: Number(given.quantity), price: given.price }],
    discount: Number(given.discount),
  };
  try {
    const response = await fetch("api/quote", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(input),
    });
    const result = await response.json();
    answer.textContent = response.ok
      ? `合计 Total: ${result.total} CNY（折扣 discount ${result.discount}）`
      : `${result.zh} / ${result.en}`;
  } catch {
    answer.textContent = "无法连接应用 / the application cannot be reached";
  }
});
