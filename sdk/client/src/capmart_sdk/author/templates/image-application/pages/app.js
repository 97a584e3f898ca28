"use strict";

const form = document.getElementById("form");
const answer = document.getElementById("answer");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const given = new FormData(form);
  const input = { length: Number(given.get("length")), width: Number(given.get("width")) };
  try {
    const response = await fetch("api/area", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(input),
    });
    const result = await response.json();
    answer.textContent = response.ok ? `面积 Area: ${result.area} m²` : `${result.zh} / ${result.en}`;
  } catch {
    answer.textContent = "无法连接应用 / the application cannot be reached";
  }
});
